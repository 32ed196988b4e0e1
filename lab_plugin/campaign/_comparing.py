"""How the comparison of an idea begins: with its own score, or with what the ledger has of its tree."""

from __future__ import annotations

from collections.abc import Sequence

from lab_plugin.campaign._answers import Answer
from lab_plugin.comparison import ComparisonDesk
from lab_plugin.idea import Idea
from lab_plugin.ledger import State
from lab_plugin.scorer import Score


def open_comparison(
    desk: ComparisonDesk, state: State, idea: Idea, answer: Answer | None, scores: Sequence[Score], best: int
) -> None:
    """Open the comparison of an idea that has a score; nothing where it is open.

    Args:
        desk: Compares.
        state: Of the ledger.
        idea: The idea.
        answer: The idea that the ledger answers with for its best point, which brings its own comparison.
        scores: Of its points.
        best: Index of the point that decides.
    """
    point = idea.points[best]
    number = idea.continues or (answer.number if answer is not None else 0)
    earlier = state.ideas.get(number)
    if earlier is not None and earlier.sequence <= state.moved:
        # The machine has changed since: nothing of it can be compared with what is scored now.
        earlier = None
    if earlier is not None and earlier.comparison is not None and earlier.tree == point.tree:
        desk.resume(idea.number, earlier, idea.max_repeats if idea.continues else 0)
    else:
        desk.begin(idea.number, point.tree, point.params, scores, best)
