"""What would have come of a point that nobody tried: its nearest neighbours in the ledger say."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab_plugin.config import CategoricalParameter, Parameter
from lab_plugin.errors import LabError
from lab_plugin.promotion import Agreement, agreement
from lab_plugin.simulation._campaign import Result
from lab_plugin.simulation._past import PastPoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 10
"""Scored points that a model needs."""

_MOST = 2_000
_NEIGHBOURS = (1, 2, 3, 5, 8, 13)
_FOR_CRASHES = 5


class Surrogate:
    """A model of a lab: values and seconds by nearest neighbours, weighted by their distance.

    Each parameter counts from 0 at its low to 1 at its high end, on its own scale; two different choices are
    1 apart. The number of neighbours is that which foretells left-out points best, and what is left over is
    the noise. Neighbours cannot foretell anything better than the best that was scored.

    Args:
        points: What was tried; the newest 2,000 are used, and those that are not of this space are not.
        parameters: The search space.

    Attributes:
        scored: Points with a value that are used.
        agreement: Rank correlation of each value with what the others foretell.

    Raises:
        LabError: There are too few points with a value.
    """

    def __init__(self, points: Sequence[PastPoint], parameters: Mapping[str, Parameter]) -> None:
        import numpy as np

        self._parameters = parameters
        used = [point for point in points if point.params.keys() == parameters.keys()][-_MOST:]
        scored = [point for point in used if point.result.value is not None]
        self.scored = len(scored)
        if self.scored < FEWEST:
            raise LabError(
                f"A strategy cannot be simulated: {self.scored} scored points of the search space are known, "
                f"and a model of the lab takes {FEWEST}.",
                "Run more ideas first, or simulate a made-up lab with --synthetic seconds=60.",
            )
        self._codes = np.array([self._encode(point.params) for point in scored])
        self._values = np.array([point.result.value for point in scored], dtype=float)
        self._seconds = [point.result.seconds for point in scored]
        self._all_codes = np.array([self._encode(point.params) for point in used])
        self._crashed = np.array([point.result.value is None for point in used])
        self._nearest, foretold = self._fit()
        self._residuals = (self._values - foretold).tolist()
        pairs = zip(foretold.tolist(), self._values.tolist(), strict=True)
        self.agreement: Agreement = agreement(pairs, ("maximize", "maximize"))

    @property
    def values(self) -> list[float]:
        """Of the points that are used."""
        found: list[float] = self._values.tolist()
        return found

    def draw(self, params: Mapping[str, Any], chance: random.Random) -> Result:
        """What might come of a point."""
        code = self._encode(params)
        apart = self._apart(self._codes, code)
        order = apart.argsort(kind="stable")[: self._nearest]
        quality = float(self._weighted(apart[order], self._values[order]))
        seconds = self._seconds[int(chance.choice(order.tolist()))]
        residual = chance.choice(self._residuals)
        around = self._apart(self._all_codes, code).argsort(kind="stable")[:_FOR_CRASHES]
        if chance.random() < float(self._crashed[around].mean()):
            return Result(seconds, None, None)
        return Result(seconds, quality + residual, quality)

    def _encode(self, params: Mapping[str, Any]) -> list[float]:
        """A point as numbers from 0 to 1; choices have a place each, half of a difference in either."""
        code: list[float] = []
        for name, parameter in self._parameters.items():
            value = params[name]
            if isinstance(parameter, CategoricalParameter):
                # Choices that are equal in Python (1 and True) are refused by the search space.
                code += [math.sqrt(0.5) * (value == choice) for choice in parameter.choices]
            else:
                code.append(_place(parameter, value))
        return code

    def _fit(self) -> tuple[int, NDArray[Any]]:
        """The best number of neighbours, and what the others foretell of each point with it."""
        import numpy as np

        found: dict[int, list[float]] = {count: [] for count in _NEIGHBOURS if count < self.scored}
        for at, code in enumerate(self._codes):
            apart = self._apart(self._codes, code)
            apart[at] = math.inf
            order = apart.argsort(kind="stable")[: max(found)]
            for count, foretold in found.items():
                near = order[:count]
                foretold.append(float(self._weighted(apart[near], self._values[near])))
        errors = {count: float(np.abs(self._values - foretold).mean()) for count, foretold in found.items()}
        best = min(errors, key=errors.__getitem__)
        return best, np.array(found[best])

    def _apart(self, codes: NDArray[Any], code: Sequence[float]) -> NDArray[Any]:
        """Squared distances."""
        found: NDArray[Any] = ((codes - code) ** 2).sum(axis=1)
        return found

    def _weighted(self, apart: NDArray[Any], values: NDArray[Any]) -> float:
        weights = 1 / (apart + 1e-12)
        return float((weights * values).sum() / weights.sum())


def _place(parameter: Any, value: Any) -> float:
    """Where a number lies between the low and the high end; 0 for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or parameter.low == parameter.high:
        return 0.0
    low, high, here = float(parameter.low), float(parameter.high), float(value)
    if not math.isfinite(here):
        return 0.0
    if parameter.log:
        low, high, here = math.log(low), math.log(high), math.log(max(here, low))
    return (here - low) / (high - low)
