"""One comparison on its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_plugin.decision import Decision, Evidence
from lab_plugin.ledger import Comparison
from lab_plugin.scorer import Sample, Score


@dataclass
class OpenComparison:
    """An idea's scores so far, and what it may spend.

    Attributes:
        number: The idea's.
        tree: Of the point that decides.
        params: Its parameters.
        place: In the campaign; 0 for a rerun.
        base: The idea's share of the campaign's error.
        max_repeats: At most.
        scores: Seed -> metric -> value, in the order in which they were drawn.
        skipped: Seeds on which the champion has no score.
        beside: The champion's scores that were taken for this idea alone, where nothing else will do.
        beside_champion: Whose they are; -1 for nobody's.
        samples: Of the first score.
        points: Points of the batch that it was picked from.
        others: First values of the batch's other points.
        seconds: Wall seconds of all repeats after the first, the champion's included.
        failure: What ended it without an answer.
        cut: Why no further repeat may be run; "" while they may.
        champion_failed: Why it ended, when that was the champion's fault.
    """

    number: int
    tree: str
    params: Mapping[str, Any]
    place: int
    base: float
    max_repeats: int
    scores: dict[int, dict[str, float]] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)
    beside: dict[int, dict[str, float]] = field(default_factory=dict)
    beside_champion: int = -1
    samples: tuple[Sample, ...] = ()
    points: int = 1
    others: tuple[float, ...] = ()
    seconds: float = 0.0
    failure: Score | None = None
    cut: str = ""
    champion_failed: str = ""

    def seeds(self) -> tuple[int, ...]:
        """Seeds that both can have scores on."""
        return tuple(seed for seed in self.scores if seed not in self.skipped)


@dataclass(frozen=True)
class Outlook:
    """How a comparison stands against the champion of the moment.

    Attributes:
        champion: Number of the champion's idea.
        decision: What the rule says; None while the champion lacks scores.
        missing: Seeds on which the champion has no score yet.
        evidence: What was decided from.
        record: For the ledger, once it is settled.
    """

    champion: int
    decision: Decision | None = None
    missing: tuple[int, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False)
    record: Comparison | None = field(default=None, repr=False)

    @property
    def settled(self) -> bool:
        """Whether a verdict can be written."""
        return self.decision is not None and self.decision.state != "continue"
