"""`lab sync`, `lab merge` and `lab clean`: the mirror, the harvest, and the disk."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, awaited, opened, print_json, told


def sync(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Delete this lab's MLflow runs and write them all again.")
    ] = False,
    aside: Annotated[
        bool,
        typer.Option(
            "--aside", help="Keep verdicts that only this clone has under another ref, out of the way."
        ),
    ] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make this clone and the lab's git remote the same, and bring MLflow up to the ledger."""
    from lab_plugin.mirroring import make_mirror
    from lab_plugin.sharing import sync as share

    with opened(lab, current=True) as this, told():
        shared = awaited(share(this, aside=aside))
        mirror = make_mirror(this)
        report = mirror.sync(rebuild=rebuild)
        links = mirror.links()
    if as_json:
        print_json({**vars(report), **vars(links), "remote": None if shared is None else vars(shared)})
    else:
        if shared is not None:
            print(
                f"{shared.remote}: {shared.fetched} verdicts taken in, {shared.published} records published."
            )
            if shared.aside:
                print(f"What this clone alone had is kept: git log {shared.aside}")
        print(f"MLflow: {report.written} written, {report.already} there already, {report.deleted} deleted.")
        print(f"Leaderboard, behind the UI's address: {links.leaderboard}")
        if report.failed:
            print(f"{report.failed} could not be written; run `lab sync` again.")
    if report.failed:
        raise typer.Exit(1)


def merge(
    branch: Annotated[str, typer.Argument(help="The branch that takes the champion in.")],
    create: Annotated[bool, typer.Option("--create", help="Make the branch when it is missing.")] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Merge the champion into a branch that you name."""
    from lab_plugin.merging import merge_champion
    from lab_plugin.sharing import beside

    with opened(lab) as this, told(), beside(this, publishes=False):
        done = merge_champion(this, branch, create=create)
    if as_json:
        print_json(vars(done))
    else:
        print(f"{done.branch}: {done.explanation} (commit {done.commit[:12]}).")


def clean(
    ideas: Annotated[
        bool,
        typer.Option(
            "--ideas", help="Also delete the branches of ideas that were not kept; the ledger keeps them."
        ),
    ] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Free the disk of workspaces, snapshots and what dead campaigns left."""
    from lab_plugin.cleaning import clean_lab

    with opened(lab) as this:
        done = clean_lab(this, ideas=ideas)
    if as_json:
        print_json(vars(done))
        return
    print(f"Freed {done.bytes / 1e6:.1f} MB; {done.branches} idea branches deleted.")
    if done.branches:
        print("Their commits stay in the ledger: `lab diff IDEA` and `lab verify IDEA` work as before.")
