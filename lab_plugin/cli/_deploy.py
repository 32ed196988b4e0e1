"""`lab deploy`: this lab on the workers of a Prefect API."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, awaited, print_json

if TYPE_CHECKING:
    from lab_plugin.fleet import Deployed, DeploymentWishes


def deploy(
    repository: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="What workers clone: a URL, a path, or a block, lab-repository/NAME "
            "(default: the git remote of [lab] remote).",
        ),
    ] = "",
    branch: Annotated[str, typer.Option(help="Its branch (default: the one that is checked out).")] = "",
    schedule: Annotated[
        str,
        typer.Option(
            metavar="CRON",
            help='When campaigns run, such as "0 1 * * *", or none (default: as before, at first on demand).',
        ),
    ] = "",
    timezone: Annotated[str, typer.Option(help="Of all schedules.")] = "UTC",
    pool: Annotated[str, typer.Option(help="The work pool of campaigns.")] = "campaigns",
    notify: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Webhook to call at a keep, a plateau, 80 % of the budget, a failure."
        ),
    ] = "",
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register the lab's work pools, deployments and automations with Prefect; again changes nothing."""
    from lab_plugin.fleet import DeploymentWishes

    wishes = DeploymentWishes(repository, branch, pool, schedule, timezone, notify)
    done = _deploy(lab, wishes)
    if as_json:
        print_json({**asdict(done), "changed": done.changed})
    else:
        _tell(done)


def _deploy(path: Path | None, wishes: DeploymentWishes) -> Deployed:
    from lab_plugin.fleet import deploy
    from lab_plugin.opening import open_current
    from lab_plugin.serving import serving_now

    lab = open_current(path)

    async def work() -> Deployed:
        from prefect.client.orchestration import get_client

        async with get_client() as client:
            return await deploy(client, lab, wishes)

    try:
        with serving_now(lab.home):
            return awaited(work())
    finally:
        lab.close()


def _tell(done: Deployed) -> None:
    print(
        f"{done.lab} on {done.api}: clones of {done.repository}, branch {done.branch}, folder {done.folder}"
    )
    for each in done.done:
        print(f"  {each.outcome:9}  {each.kind:10}  {each.name}")
    for warning in done.warnings:
        print(f"warning: {warning}")
    if not done.changed:
        print("All of it was there already; nothing is changed.")
    for each in done.done:
        if each.kind == "pool" and not each.workers:
            print(
                f"No worker serves {each.name} now: `prefect worker start --pool {each.name}`, or `lab up`, "
                "anew where it runs."
            )
