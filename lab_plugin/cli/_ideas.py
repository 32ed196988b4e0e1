"""`lab show` and `lab diff`: one idea from close by."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, opened, print_json, print_untrusted

IdeaArgument = Annotated[
    str, typer.Argument(metavar="IDEA", help="Its number, branch, or commit; or 'best'.")
]


def show(idea: IdeaArgument, lab: LabOption = None, as_json: JsonOption = False) -> None:
    """What was tried, what came of it, and why it was kept or not."""
    from lab_plugin.lookup import find_idea
    from lab_plugin.report import iteration_report

    with opened(lab, reads=True) as this:
        record = find_idea(this, idea)
        if as_json:
            print_json(record.model_dump(mode="json"))
            return
        patch = this.repository.diff(record.parents[0], record.commit)
        print_untrusted(iteration_report(record, this.config.scorer.metric, patch))


def diff(
    idea: IdeaArgument,
    against: Annotated[str, typer.Option(metavar="REV", help="Instead of the idea's parent.")] = "",
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """The idea's change to its parent."""
    from lab_plugin.lookup import find_idea

    with opened(lab, reads=True) as this:
        record = find_idea(this, idea)
        base = this.repository.resolve(against) if against else record.parents[0]
        patch = this.repository.diff(base, record.commit)
    if as_json:
        print_json({"number": record.number, "base": base, "commit": record.commit, "diff": patch})
    else:
        print_untrusted(patch)
