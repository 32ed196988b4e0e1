"""What makes an idea simpler than the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from lab_plugin.config import LINES
from lab_plugin.repository import Repository

_CHEAPER = 0.9


def fewer_lines(repository: Repository, champion: str, candidate: str) -> str:
    """How many lines of text a commit has fewer than another; "" when it has not.

    Args:
        repository: Of both.
        champion: Commit or tree.
        candidate: Commit or tree.
    """
    changed = repository.diff_stat(champion, candidate)
    fewer = changed.deleted - changed.added
    return "" if fewer <= 0 else "1 line fewer" if fewer == 1 else f"{fewer} lines fewer"


def cheaper(
    by: Sequence[str], candidate: Mapping[str, Sequence[float]], champion: Mapping[str, Sequence[float]]
) -> str:
    """Which metric is at least a tenth lower on the same seeds; "" for none.

    Args:
        by: Names of metrics; `lines` is none.
        candidate: Metric -> values.
        champion: As many.
    """
    for name in by:
        if name == LINES:
            continue
        ours, theirs = fmean(candidate[name]), fmean(champion[name])
        if theirs > 0 and ours <= _CHEAPER * theirs:
            return f"{100 * (1 - ours / theirs):.0f} % less {name}"
    return ""
