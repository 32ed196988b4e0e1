"""What `[decision]` says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lab_plugin.decision._evidence import Goal, Margin

Policy = Literal["significant", "exact", "greedy", "threshold"]
NO_MARGIN = Margin()
POLICIES: tuple[Policy, ...] = ("significant", "exact", "greedy", "threshold")


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A limit on a secondary metric, which an idea must keep to.

    Attributes:
        metric: Its name in the scorecard.
        kind: `at_most` and `at_least` bound the metric itself; `may_rise` and `may_fall` its change
            against the champion.
        limit: The bound, or the change allowed (0 or more).
        relative: The change is a fraction of the champion's mean.
        shown: True: the limit must be shown to be kept, at the confidence of the rules. False: it must
            not be shown to be broken, which is all that can be asked where no change at all is allowed.
    """

    metric: str
    kind: Literal["at_most", "at_least", "may_rise", "may_fall"]
    limit: float
    relative: bool = False
    shown: bool = True

    def __post_init__(self) -> None:
        change = self.kind in ("may_rise", "may_fall")
        if not math.isfinite(self.limit) or (change and self.limit < 0):
            raise ValueError(f"the limit of guard {self.metric!r} is finite, and 0 or more for a change")
        if self.relative and not change:
            raise ValueError(f"guard {self.metric!r} is relative, and bounds no change")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One of several objectives.

    Attributes:
        metric: Its name.
        goal: Which way is better.
        margin: An improvement is more than this; a loss of less than `tolerance` is none.
        tolerance: Must be above 0 on a noisy metric, since equality can never be shown.
    """

    metric: str
    goal: Goal
    margin: Margin = NO_MARGIN
    tolerance: Margin = NO_MARGIN


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When an idea is kept.

    Attributes:
        metric: The lab's metric.
        goal: Which way is better.
        policy: `significant`: by a test that controls the campaign's error; `exact`: as the first scores
            are; `greedy`: the higher mean of `repeats` seeds, with no control of error; `threshold`: at
            `bar`.
        min_improvement: Part of the hypothesis: an idea that is better by less than this is not better.
        confidence: One minus the error of a campaign, above 0 and below 1.
        tries: Ideas that a campaign is laid out for; later ones need more evidence.
        max_repeats: Of one idea, at least 1.
        detect: Improvement beyond the margin, in standard deviations of a paired difference, that is not
            to be missed. An idea that looks like less is given up early.
        repeats: Of each idea under `greedy` and `threshold`.
        bar: What `threshold` asks for.
        guards: All must hold.
        simplicity: An idea that is simpler is kept when it is worse by less than this; None: it is not.
        objectives: Further objectives; with any, the metric is the first of them.
        tolerance: The metric's, among several objectives: a loss of less is none.
        tie_break: Name of the objective that decides between a gain in one and a loss in another; "" for
            none.
    """

    metric: str
    goal: Goal
    policy: Policy = "significant"
    min_improvement: Margin = NO_MARGIN
    confidence: float = 0.95
    tries: int = 200
    max_repeats: int = 48
    detect: float = 1.0
    repeats: int = 1
    bar: float | None = None
    guards: tuple[Guard, ...] = ()
    simplicity: Margin | None = None
    objectives: tuple[Objective, ...] = ()
    tolerance: Margin = NO_MARGIN
    tie_break: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError("a confidence lies between 0 and 1")
        if min(self.tries, self.max_repeats, self.repeats) < 1 or not 0 < self.detect < math.inf:
            raise ValueError("tries, max_repeats and repeats are 1 or more, and detect is above 0")
        if self.policy == "threshold" and (self.bar is None or not math.isfinite(self.bar)):
            raise ValueError("the policy 'threshold' wants a finite bar")
        names = [self.metric, *(objective.metric for objective in self.objectives)]
        if len(set(names)) != len(names):
            raise ValueError("an objective is named twice")
        if self.tie_break and self.tie_break not in names:
            raise ValueError(f"the tie-break {self.tie_break!r} is none of the objectives")

    @property
    def error(self) -> float:
        """Probability of a false keep that a campaign may have."""
        return 1 - self.confidence
