"""Finding an idea by what a person types."""

from __future__ import annotations

import re

from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord


def find_idea(lab: Lab, text: str) -> VerdictRecord:
    """The verdict of an idea.

    Args:
        lab: The lab.
        text: A number (`7`, `0007`), a branch or its last part, a commit (7 or more hex digits), or `best`.

    Raises:
        LabError: None or several fit.
    """
    state = lab.ledger.state()
    if text == "best":
        champion = state.champion
        if champion is not None and champion.number in state.ideas:
            return state.ideas[champion.number]
        raise LabError("The champion is the baseline: no idea has been kept yet.", "Run `lab results`.")
    if re.fullmatch(r"[0-9]{1,6}", text) and int(text) in state.ideas:
        return state.ideas[int(text)]
    found = [record for record in state.ideas.values() if _fits(record, text)]
    if len(found) == 1:
        return found[0]
    what = "no idea" if not found else f"{len(found)} ideas"
    raise LabError(
        f"{what.capitalize()} of the lab {lab.name} fits {text!r}.", "Run `lab results` for the list."
    )


def _fits(record: VerdictRecord, text: str) -> bool:
    name = record.branch.rsplit("/", 1)[-1]
    is_commit = re.fullmatch(r"[0-9a-f]{7,40}", text) is not None and record.commit.startswith(text)
    return text in (record.branch, name, record.slug) or is_commit
