"""What is decided of an idea: the verdict's word, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_plugin.comparison import WORDS, Outlook
from lab_plugin.idea import Idea
from lab_plugin.ledger import Comparison, Goal, Point, Pruned, Word
from lab_plugin.scorer import Score

REASON = 2_000
"""Characters of a reason, at most."""


@dataclass(frozen=True)
class Ruling:
    """The part of a record that the decision makes.

    Attributes:
        verdict: The word.
        reason: Why.
        value: Of the metric; None without one.
        metrics: Of the first run.
        champion_value: That it was compared with.
        difference: Value minus champion.
        comparison: What was decided by.
    """

    verdict: Word
    reason: str
    value: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    champion_value: float | None = None
    difference: float | None = None
    comparison: Comparison | None = None


def best_of(scores: Sequence[Score], goal: Goal) -> int:
    """Index of the best score; the first of equal ones, and 0 where none has a value."""
    sign = 1 if goal == "maximize" else -1
    values = [(sign * score.value, -index) for index, score in enumerate(scores) if score.value is not None]
    return -max(values)[1] if values else 0


def ruled(outlook: Outlook, score: Score, before: str, metric: str) -> Ruling:
    """What the rule's answer makes of an idea.

    Args:
        outlook: Settled.
        score: The first of the point that decides.
        before: What begins the reason.
        metric: The lab's.
    """
    decision, evidence = outlook.decision, outlook.evidence
    assert decision is not None and evidence is not None
    pairs = evidence.metrics[metric]
    tested = decision.statement.evidence is not None or decision.statement.repeats > 1
    difference = pairs.value - pairs.reference
    return Ruling(
        verdict=WORDS[decision.state],
        reason=before + (decision.sentence if tested else decision.reason),
        value=pairs.value,
        metrics=dict(score.metrics),
        champion_value=pairs.reference,
        difference=difference if math.isfinite(difference) else None,
        comparison=outlook.record,
    )


def origin_of(idea: Idea, twin: int) -> str:
    """Where the scores of an idea come from that the ledger answered for."""
    if idea.continues:
        return f"rerun of idea {idea.continues}; "
    return f"duplicate of {f'idea {twin}' if twin else 'the baseline'}, not run again; "


def failure_word(score: Score) -> Word:
    """The verdict's word for a score without a value."""
    if score.status == "pruned":
        return "reverted"
    return "crashed" if score.status == "crashed" else "rejected"


def pruned_of(score: Score) -> Pruned | None:
    """Where a run was pruned, for a record; None where it was not."""
    found = score.pruned
    return None if found is None else Pruned(step=found.step, value=found.value, pruner=found.pruner)


def points_of(idea: Idea, scores: Sequence[Score]) -> tuple[Point, ...]:
    """The points of a batch, with what came of each."""
    points: list[Point] = []
    for planned, score in zip(idea.points, scores, strict=True):
        fields: dict[str, Any] = {"tree": planned.tree, "params": planned.params, "status": score.status}
        points.append(
            Point(
                **fields,
                value=score.value,
                reason=score.reason[:REASON],
                seconds=score.seconds,
                metrics=dict(score.metrics),
                pruned=pruned_of(score),
            )
        )
    return tuple(points)
