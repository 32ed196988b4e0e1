"""How well a cheap tier foretells the order of a dearer one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab_plugin.promotion._rules import Goal

FLOOR = 0.3
"""A tier whose rank correlation is shown to lie below this misleads."""

_FEWEST = 8
_NORMAL = 1.959963984540054
"""The normal quantile of 0.975."""


@dataclass(frozen=True)
class Agreement:
    """The rank correlation of two tiers.

    Attributes:
        n: Ideas with a finite value at both.
        rho: Spearman's, ties with their mean rank; 1 where both put the ideas in the same order, the best
            first, whatever their goals. None where it is not defined: fewer than 2 ideas, or a tier that
            gives all of them the same value.
        low: Lower end of the 95 % interval.
        high: Upper end.
        floor: What it should not lie below.
        misleads: It is shown to lie below: 8 ideas or more, and the whole interval is under it.
    """

    n: int
    rho: float | None
    low: float
    high: float
    floor: float
    misleads: bool

    def sentence(self, cheap: str, dear: str) -> str:
        """For reports.

        Args:
            cheap: Name of the tier that screens.
            dear: Name of the tier that ideas go on to.
        """
        ideas = "1 idea has" if self.n == 1 else f"{self.n} ideas have"
        if self.rho is None:
            why = "too few to compare the tiers" if self.n < 2 else "and a tier gives all of them one value"
            return f"{ideas} a value at both {cheap} and {dear}, {why}."
        found = (
            f"{cheap} and {dear} rank {self.n} ideas with a correlation of {self.rho:.2f} "
            f"(Spearman, 95 % interval {self.low:.2f} to {self.high:.2f})"
        )
        if self.misleads:
            found += f": {cheap} misleads, for it lies below {self.floor:g}"
        elif self.low < self.floor:
            found += f", which does not show that {cheap} is a guide to {dear}"
        return f"{found}. Only ideas that {cheap} promoted are in it; over all ideas it is usually higher."


def agreement(
    pairs: Iterable[tuple[float, float]], goals: tuple[Goal, Goal], *, floor: float = FLOOR
) -> Agreement:
    """Compare two tiers by the ideas that have a value at both.

    The interval is Fisher's, with the standard error of Bonett and Wright, "Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations" (Psychometrika 2000). A perfect correlation is
    taken for one that is half the smallest step away from it, since it would have no width at all.

    Args:
        pairs: Of each idea the values at the cheap and at the dear tier; one that is not finite leaves the
            pair out.
        goals: Of the cheap and of the dear tier.
        floor: Above -1 and below 1.
    """
    finite = [pair for pair in pairs if math.isfinite(pair[0]) and math.isfinite(pair[1])]
    n = len(finite)
    rho = _correlation(_ranks([cheap for cheap, _ in finite]), _ranks([dear for _, dear in finite]))
    if rho is not None and goals[0] != goals[1]:
        rho = -rho
    low, high = (-1.0, 1.0) if rho is None else _interval(rho, n)
    return Agreement(n, rho, low, high, floor, misleads=n >= _FEWEST and high < floor)


def _interval(rho: float, n: int) -> tuple[float, float]:
    if n < 4:
        return -1.0, 1.0
    widest = 1 - 6 / (n * (n * n - 1))
    near = max(-widest, min(widest, rho))
    reach = _NORMAL * math.sqrt((1 + near * near / 2) / (n - 3))
    middle = math.atanh(near)
    return min(rho, math.tanh(middle - reach)), max(rho, math.tanh(middle + reach))


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values have the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks


def _correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's, of ranks; None where one of them does not vary."""
    middle = (len(first) + 1) / 2
    across = math.fsum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    spread = math.fsum((a - middle) ** 2 for a in first) * math.fsum((b - middle) ** 2 for b in second)
    return max(-1.0, min(1.0, across / math.sqrt(spread))) if spread else None
