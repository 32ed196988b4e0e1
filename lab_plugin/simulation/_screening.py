"""Results of cheap tiers that nobody ran: foretold from those of the last one, as well as is stated."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median, pstdev, quantiles

from lab_plugin.promotion import Goal, Rule
from lab_plugin.simulation._campaign import Result

_QUARTILES = 1.349
"""Between the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Screen:
    """A tier before the last, as a plan states it.

    Attributes:
        name: The tier's.
        promote: Who goes on from it.
        rho: Rank correlation (Spearman) of its values with the quality at the last tier, from -1 to 1; None
            where the history has results of this tier.
        seconds: Of each trial here; None where `cost` or the history says it.
        cost: Seconds here as a share of those that the same idea takes at the last tier, above 0.
        goal: Which values are better here; None for the same as at the last tier.
    """

    name: str
    promote: Rule
    rho: float | None = None
    seconds: float | None = None
    cost: float | None = None
    goal: Goal | None = None


@dataclass(frozen=True)
class Spread:
    """How values of a metric are spread.

    Attributes:
        middle: Their middle.
        width: Something like a standard deviation, 0 or more.
    """

    middle: float
    width: float


def spread_of(values: Iterable[float]) -> Spread:
    """The spread of some values, by their quartiles, so that a few wild ones do not matter.

    Args:
        values: Finite.
    """
    known = list(values)
    if len(known) < 2:
        return Spread(known[0] if known else 0.0, 0.0)
    low, _, high = quantiles(known, n=4, method="inclusive")
    if high > low:
        return Spread(median(known), (high - low) / _QUARTILES)
    return Spread(fmean(known), pstdev(known))


class Screening:
    """Makes up the results of the tiers of a plan.

    A normal value with the correlation that Spearman's stands for (Pearson, "On further methods of
    determining correlation", 1907: 2 sin(pi rho / 6)); on values that are not normal it comes near.

    Args:
        screens: The tiers; those that the history has results of are left out.
        spread: Of the values at the last tier.
        seed: Makes it reproducible.
    """

    def __init__(self, screens: Iterable[Screen], spread: Spread, seed: int) -> None:
        self._screens: Mapping[str, tuple[Screen, float]] = {
            screen.name: (screen, screen.rho) for screen in screens if screen.rho is not None
        }
        self._spread = spread
        self._seed = seed

    def __contains__(self, tier: str) -> bool:
        return tier in self._screens

    def result(self, number: int, tier: str, last: Result) -> Result:
        """What comes of an idea at a tier; an idea that crashes at the last tier crashes here.

        Args:
            number: The idea's.
            tier: One of the plan's.
            last: What would come of it at the last tier.
        """
        screen, rho = self._screens[tier]
        seconds = last.seconds * (screen.cost or 0.0) if screen.seconds is None else screen.seconds
        if last.quality is None:
            return Result(seconds, None, None)
        middle, width = self._spread.middle, self._spread.width
        place = (last.quality - middle) / width if width else 0.0
        linear = 2 * math.sin(math.pi * rho / 6)
        chance = random.Random(f"{self._seed}:{tier}:{number}").gauss(0, 1)  # noqa: S311 -- reproducible
        shown = linear * place + math.sqrt(max(0.0, 1 - linear * linear)) * chance
        value = middle + (width or 1.0) * shown
        return Result(seconds, value, value)
