"""`lab run`, `lab status` and `lab results`: the campaign and what it found."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab_plugin.cli._import import print_imported
from lab_plugin.cli._options import JsonOption, LabOption, number, opened, print_json, print_table
from lab_plugin.errors import LabError


def run(
    iterations: Annotated[
        int | None, typer.Option("-n", "--iterations", min=0, help="Ideas of this campaign, in all.")
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, max=256, help="Iterations in parallel.")] = 1,
    hours: Annotated[float | None, typer.Option(min=0.0, help="Active hours of this campaign.")] = None,
    target: Annotated[float | None, typer.Option(help="Stop when the champion is this good.")] = None,
    plateau: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many iterations without a keep.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="A new campaign whose proposer sees no earlier idea.")
    ] = False,
    guided: Annotated[
        bool, typer.Option("--guided", help="Ask about each proposal before it runs: approve, edit or skip.")
    ] = False,
    in_ui: Annotated[
        bool, typer.Option("--ui", help="As --guided, but ask in the Prefect UI, also from a terminal.")
    ] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a campaign, or go on with the open one. Ctrl-C ends it cleanly; `lab run` again goes on."""
    from lab_plugin.cli._runner import run_campaign
    from lab_plugin.summary import results_document, summary

    given = {"iterations": iterations, "hours": hours, "target": target, "plateau": plateau}
    budget = {name: float(value) for name, value in given.items() if value is not None}
    if endless := [f"--{name}" for name, value in budget.items() if not math.isfinite(value)]:
        raise typer.BadParameter(f"{', '.join(endless)} must be a finite number")
    with opened(lab, current=True) as this:
        guided = guided or in_ui
        here = guided and not in_ui and sys.stdin.isatty() and sys.stderr.isatty()
        ending = run_campaign(
            this, budget, fresh=fresh, jobs=jobs, quiet=as_json, guided=guided, in_terminal=here
        )
        if as_json:
            print_json({**results_document(this), "ended": ending.reason, "closed": ending.closed})
        else:
            print(summary(this))
            if not ending.closed:
                is_open = this.ledger.state().campaign is not None
                rest = "The campaign is open; `lab run` goes on with it." if is_open else "None is open."
                print(f"Stopped: {ending.reason}. {rest}")
    if not ending.closed:
        raise typer.Exit(130 if ending.interrupted else 1)


def status(lab: LabOption = None, as_json: JsonOption = False) -> None:
    """The champion, the campaign, its budget, and how to open both UIs."""
    from lab_plugin.summary import status_document, summary

    with opened(lab) as this:
        if as_json:
            print_json(status_document(this))
        else:
            print(summary(this))


def results(
    last: Annotated[int, typer.Option(min=0, help="Only the newest so many; 0 for all.")] = 0,
    best: Annotated[bool, typer.Option("--best", help="Sorted by the metric, best first.")] = False,
    tier: Annotated[str, typer.Option(metavar="TIER", help="Only ideas that were decided there.")] = "",
    imported: Annotated[
        bool, typer.Option("--imported", help="What was imported, instead of the lab's own ideas.")
    ] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every idea with its verdict."""
    from lab_plugin.summary import results_document

    if imported:
        _results_imported(last, best or bool(tier), lab, as_json)
        return
    with opened(lab, reads=True) as this:
        document = results_document(this)
        sign = 1 if this.config.scorer.goal == "maximize" else -1
        screening = [each.name for each in this.config.screening]
        chosen = this.at(tier).config.tier if tier else ""
    ideas = [idea for idea in document["ideas"] if chosen in ("", idea["tier"])]
    if best:
        ideas = sorted(
            ideas, key=lambda idea: (idea["value"] is None, -sign * (idea["value"] or 0), idea["number"])
        )
    ideas = ideas[:last] if best and last else ideas[-last:] if last else ideas
    if as_json:
        print_json({**document, "ideas": ideas})
        return
    header = ("idea", "verdict", *screening, document["metric"], "difference", "seconds", "title")
    rows = [
        (
            f"{idea['number']:04d}",
            idea["verdict"],
            *(number(idea["tiers"].get(name)) for name in screening),
            number(idea["value"]),
            number(idea["difference"]),
            f"{idea['seconds']:.2f}",
            str(idea["title"])[:60],
        )
        for idea in ideas
    ]
    print_table(header, rows)


def _results_imported(last: int, ranked: bool, path: Path | None, as_json: bool) -> None:
    from lab_plugin.importing import imported_document

    if ranked:
        raise LabError(
            "What was imported was scored by others: it has no tier, and is not ranked.",
            "Leave --best and --tier out.",
        )
    with opened(path, reads=True) as this:
        document = imported_document(this)
    if as_json:
        print_json(document)
    else:
        print_imported(document, last)
