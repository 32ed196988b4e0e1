"""A made-up lab: four parameters, one optimum, noise, and trials whose length varies."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab_plugin.config import FloatParameter
from lab_plugin.simulation._campaign import Result
from lab_plugin.simulation._past import History, PastIdea, PastPoint

_OPTIMUM = (0.7, 0.3, 0.8, 0.4)
LAST = "final"


@dataclass(frozen=True)
class Synthetic:
    """A world to search, and its noise. Higher is better; random ideas have mean 0 and standard deviation 1.

    Attributes:
        seconds: Mean of a trial, above 0. Trials are log-normal.
        spread: Standard deviation of the logarithm of their seconds, 0 or more; 0 for equal ones.
        noise: Standard deviation of the noise in a value, in those of random ideas, 0 or more.
        crashes: Share of ideas that crash, from 0 and below 1.
    """

    seconds: float
    spread: float = 0.5
    noise: float = 0.2
    crashes: float = 0.0

    def draw(self, params: Mapping[str, Any], chance: random.Random) -> Result:
        """What comes of a point."""
        middle = math.log(self.seconds) - self.spread**2 / 2
        seconds = math.exp(middle + self.spread * chance.gauss(0, 1))
        noise = self.noise * chance.gauss(0, 1)
        if chance.random() < self.crashes:
            return Result(seconds, None, None)
        quality = _quality(tuple(float(params[name]) for name in SPACE))
        return Result(seconds, quality + noise, quality)

    def history(self, ideas: int, seed: int) -> History:
        """Ideas drawn at random.

        Args:
            ideas: How many, 1 or more.
            seed: Makes it reproducible.
        """
        points = []
        for number in range(1, ideas + 1):
            chance = random.Random(f"{seed}:{number}")  # noqa: S311 -- reproducible, nothing secret
            params = {name: chance.random() for name in SPACE}
            points.append(PastPoint(params, self.draw(params, chance)))
        past = (PastIdea(number, {LAST: point.result}) for number, point in enumerate(points, 1))
        return History(metric="value", goal="maximize", last=LAST, ideas=tuple(past), points=tuple(points))


SPACE = {f"x{place}": FloatParameter(type="float", low=0.0, high=1.0) for place, _ in enumerate(_OPTIMUM)}
"""What a proposer may choose in it."""


def _quality(point: tuple[float, ...]) -> float:
    """Minus the squared distance to the optimum, standardised over the unit cube."""
    away = mean = variance = 0.0
    for x, best in zip(point, _OPTIMUM, strict=True):
        away += (x - best) ** 2
        square = (best**3 + (1 - best) ** 3) / 3
        mean += square
        variance += (best**5 + (1 - best) ** 5) / 5 - square**2
    return (mean - away) / math.sqrt(variance)
