"""What a verdict says of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from lab_plugin.decision._chance import student_quantile
from lab_plugin.decision._evidence import Goal, Pairs
from lab_plugin.decision._interval import Interval, confidence_interval
from lab_plugin.decision._process import Bets

State = Literal["keep", "revert", "inconclusive", "continue"]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A comparison in figures, in the metric's own units and direction.

    Attributes:
        difference: Mean of candidate minus champion; None when it overflows a float.
        low: Lower end of the confidence sequence of the difference; None where there is no bound yet.
        high: Upper end.
        confidence: Of the interval, for this idea alone.
        repeats: Pairs that the difference is made of.
        samples: Sample pairs that the evidence is made of; 0 when it is made of repeats.
        evidence: Factor of the e-process for "better", as a logarithm (natural); None without a test.
        needed: The same, at which it would have been kept.
        error_spent: What the idea took from the campaign's error; 0 without a test.
        corrected: The difference less what picking and stopping add to it; None unless kept by a test.
    """

    difference: float | None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    repeats: int = 1
    samples: int = 0
    evidence: float | None = None
    needed: float | None = None
    error_spent: float = 0.0
    corrected: float | None = None

    def __str__(self) -> str:
        """The figures as one phrase."""
        parts = [_shown("difference", self.difference)]
        if self.confidence is not None and (self.low is not None or self.high is not None):
            ends = (_end(self.low, "-inf"), _end(self.high, "inf"))
            parts.append(f"{100 * self.confidence:.4g} % interval {ends[0]} to {ends[1]}")
        parts.append(f"{self.samples} samples" if self.samples else _plural(self.repeats, "repeat"))
        if self.evidence is not None and self.needed is not None and math.isfinite(self.needed):
            parts.append(f"evidence {_factor(self.evidence)} of {_factor(self.needed)} needed")
        if self.error_spent:
            parts.append(f"error spent {self.error_spent:.2g}")
        if self.corrected is not None:
            parts.append(f"corrected for its selection {self.corrected:+.4g}")
        return "; ".join(parts)


def describe(pairs: Pairs) -> Statement:
    """A comparison without a test."""
    return Statement(difference=mean_difference(pairs), repeats=len(pairs))


def measured(pairs: Pairs, bets: Bets, confidence: float) -> Statement:
    """A comparison with its confidence sequence, and without a test."""
    low, high = finite_ends(confidence_interval(bets, pairs.differences(), 1 - confidence))
    return Statement(
        difference=mean_difference(pairs), low=low, high=high, confidence=confidence, repeats=len(pairs)
    )


def with_student_interval(pairs: Pairs, confidence: float) -> Statement:
    """A comparison whose number of pairs was fixed before any was seen, with Student's interval."""
    shown, differences = describe(pairs), pairs.differences()
    count = len(differences)
    if count < 2 or shown.difference is None or not all(map(math.isfinite, differences)):
        return shown
    root = math.sqrt(count - 1)
    spread = math.hypot(*((value - shown.difference) / root for value in differences)) / math.sqrt(count)
    reach = student_quantile((1 + confidence) / 2, count - 1) * spread
    low, high = finite(shown.difference - reach), finite(shown.difference + reach)
    return replace(shown, low=low, high=high, confidence=confidence)


def mean_difference(pairs: Pairs) -> float | None:
    """Mean of the differences; None when it overflows."""
    return finite(math.fsum(part / len(pairs) for part in pairs.differences()))


def finite(value: float) -> float | None:
    """The value, or None for an infinite one."""
    return value if math.isfinite(value) else None


def finite_ends(interval: Interval) -> tuple[float | None, float | None]:
    """Both ends, None for an infinite one."""
    return finite(interval.low), finite(interval.high)


def turned(value: float | None, goal: Goal) -> float | None:
    """A gain as a difference in the metric's own direction, and the other way round."""
    return -value if value is not None and goal == "minimize" else value


def _shown(name: str, value: float | None) -> str:
    return f"{name} too large for a float" if value is None else f"{name} {value:+.4g}"


def _end(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.4g}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _factor(log: float) -> str:
    """A factor whose logarithm may be too large for a float."""
    if abs(log) < math.log(1e4):
        return f"{math.exp(log):.3g}"
    return f"1e{log / math.log(10):.1f}"
