"""What a hold-out's value means for an idea that would be kept."""

from __future__ import annotations

from lab_plugin.config import Holdout as Rules
from lab_plugin.holdout._scoring import HoldoutScore
from lab_plugin.ledger import Goal, Holdout


def judge(
    rules: Rules,
    goal: Goal,
    public: float,
    score: HoldoutScore | None,
    champion: float | None,
    counted: bool,
) -> tuple[Holdout, bool]:
    """Judge an idea that the decision would keep.

    Args:
        rules: `[scorer.holdout]`.
        goal: Which way is better.
        public: The idea's metric.
        score: Its hold-out score; None when no look was left for it.
        champion: The champion's hold-out value; None when it has none.
        counted: A look was spent on it.

    Returns:
        What the ledger keeps of it, and whether the idea may be kept.
    """
    if score is None:
        kept = rules.looks_spent == "keep_unlooked"
        reason = "all looks of this epoch are spent"
        return Holdout(outcome="unlooked", champion_value=champion, reason=reason), kept
    found = Holdout(
        outcome="passed",
        value=score.value,
        gap=None if score.value is None else public - score.value,
        champion_value=champion,
        counted=counted,
        reason=score.reason[:2_000],
    )
    required = rules.require == "not_worse"
    if score.value is None:
        return found.model_copy(update={"outcome": "no_value"}), not required
    if champion is None or not _is_worse(goal, score.value, champion, rules.margin):
        return found, True
    return found.model_copy(update={"outcome": "worse"}), not required


def _is_worse(goal: Goal, value: float, champion: float, margin: float) -> bool:
    return value < champion - margin if goal == "maximize" else value > champion + margin
