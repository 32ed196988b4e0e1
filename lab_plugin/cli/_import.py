"""`lab import`: what was tried elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lab_plugin.cli._options import (
    JsonOption,
    LabOption,
    awaited,
    number,
    opened,
    print_json,
    print_table,
    print_untrusted,
    told,
)

if TYPE_CHECKING:
    from lab_plugin.importing import ImportReport

_MOST = 20


def import_history(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_URI",
            help="results.tsv, results.jsonl, an Optuna database or journal, an MLflow store.",
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(metavar="NAME", help="What the source calls its values (default: the lab's metric)."),
    ] = "",
    goal: Annotated[
        Literal["maximize", "minimize"] | None,
        typer.Option(help="Which way they are better there (default: as in the lab)."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust-values", help="They are on the scale of the lab's metric.")
    ] = False,
    study: Annotated[str, typer.Option(metavar="NAME", help="Of an Optuna storage.")] = "",
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Of an MLflow store.")] = "",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read, and import the others.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be imported.")] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what was tried elsewhere: told to proposers, never compared, never a champion."""
    from lab_plugin.importing import Wish
    from lab_plugin.importing import import_history as take
    from lab_plugin.sharing import sync as share
    from lab_plugin.sharing import take_in

    wish = Wish(where=source, metric=metric, goal=goal, study=study, experiment=experiment)
    with opened(lab) as this, told():
        take_in(this)
        report = take(this, wish, trust=trust, skip_bad=skip_bad, dry_run=dry_run)
        awaited(share(this))
        name = this.config.scorer.metric
    if as_json:
        print_json({**vars(report), "bad": [vars(row) for row in report.bad], "dry_run": dry_run})
    else:
        _print_report(report, name, dry_run, skip_bad)
    if dry_run and report.bad and not skip_bad:
        raise typer.Exit(1)


def print_imported(document: dict[str, Any], last: int) -> None:
    """Print imported rows, each import under its own heading."""
    for source in document["imported"]:
        kind = "counts as the lab's metric" if source["comparable"] else "not on the lab's scale"
        what = f"{source['metric'] or 'values'} ({source['goal']}, {kind})"
        print_untrusted(f"{source['source']}, epoch {source['epoch']}: {what}\n")
        rows = source["rows"][-last:] if last else source["rows"]
        cells = [
            (
                str(row["line"]),
                row["name"][:30],
                row["status"] or "-",
                number(row["value"]),
                row["title"][:60],
            )
            for row in rows
        ]
        print_table(("line", "name", "status", "value", "title"), cells)
    if not document["imported"]:
        print("Nothing was imported.")


def _print_report(report: ImportReport, metric: str, dry_run: bool, skip_bad: bool) -> None:
    for row in report.bad[:_MOST]:
        print_untrusted(f"bad   {row}\n")
    if len(report.bad) > _MOST:
        print(f"bad   and {len(report.bad) - _MOST} more; --json has them all")
    done = "would be imported" if dry_run else "imported"
    old = report.rows - report.new
    print_untrusted(f"{report.source}: {report.new} rows {done}")
    print(f", {old} were there already." if old else ".")
    left_out = {
        "without an end": report.unfinished,
        "the same as another": report.repeated,
        "that cannot be read": len(report.bad),
    }
    told = ", ".join(f"{count} {what}" for what, count in left_out.items() if count)
    if told:
        print(f"Left out: {told}.")
    if report.new:
        print(
            f"{report.valued} have a value; {report.fitting} are points of the search space, "
            f"{report.elsewhere} have other parameters or ranges."
        )
        print(f"Optimisers start from {report.told} of them; all are told to programs as $LAB_IMPORTED.")
    if report.why_untold and report.new:
        print_untrusted(f"Their values are not used: {report.why_untold}.\n")
    if dry_run and report.bad and not skip_bad:
        print("Nothing is imported as long as rows cannot be read: mend them, or give --skip-bad.")
    elif not dry_run and report.new:
        print(f"None of it counts as a score of {metric}: `lab results --imported` shows it apart.")
