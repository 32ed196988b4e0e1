"""Exact comparison, for scorers that give the same number twice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from lab_plugin.decision._rule import Comparison, Goal


@dataclass(frozen=True)
class ExactRule:
    """Keep what is better by at least `min_improvement`, and by more than nothing.

    The difference is taken exactly (as a fraction), so that neither rounding nor overflow decides.

    Attributes:
        goal: `maximize` or `minimize`.
        min_improvement: In the metric's units, finite, 0 or more.
    """

    goal: Goal
    min_improvement: float = 0.0

    def compare(self, value: float, champion: float) -> Comparison:
        """Compare two finite values.

        Raises:
            ValueError: A value is NaN or infinite.
        """
        if not (math.isfinite(value) and math.isfinite(champion)):
            raise ValueError("only finite values can be compared")
        difference = Fraction(value) - Fraction(champion)
        gain = difference if self.goal == "maximize" else -difference
        shown = _as_float(difference)
        against = f"{value:.6g} against the champion's {champion:.6g}"
        if gain <= 0:
            word = "equal" if gain == 0 else "worse"
            return Comparison("reverted", f"{word}: {against}", shown)
        if gain < Fraction(self.min_improvement):
            return Comparison("reverted", f"better by less than {self.min_improvement:.6g}: {against}", shown)
        return Comparison("kept", f"better: {against}", shown)


def _as_float(difference: Fraction) -> float | None:
    try:
        return float(difference)
    except OverflowError:
        return None
