"""`lab sync`, `lab merge` and `lab clean`: the mirror, the harvest, and the disk."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, opened, print_json


def sync(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Delete this lab's MLflow runs and write them all again.")
    ] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring MLflow up to the ledger."""
    from lab_plugin.mirroring import make_mirror

    with opened(lab, current=True) as this:
        mirror = make_mirror(this)
        report = mirror.sync(rebuild=rebuild)
        links = mirror.links()
    if as_json:
        print_json({**vars(report), **vars(links)})
    else:
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

    with opened(lab) as this:
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
