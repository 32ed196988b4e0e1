"""Confidence sequences: all margins that the evidence so far does not exclude."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lab_plugin.decision._chance import false_position
from lab_plugin.decision._process import LARGEST, Bets

_WIDTH = 4e-3


class Interval(NamedTuple):
    """Where a mean difference lies; an end without evidence is infinite.

    Attributes:
        low: Lower end, in the metric's units.
        high: Upper end.
    """

    low: float
    high: float


def confidence_interval(bets: Bets, differences: Sequence[float], error: float) -> Interval:
    """The confidence sequence at its last repeat.

    It holds at all repeats at once, whenever one stops (Howard, Ramdas, McAuliffe and Sekhon,
    "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021), by
    inverting the e-process.

    Args:
        bets: The comparison's bets.
        differences: In the metric's units; may be empty.
        error: Probability with which it may miss, both sides together.
    """
    scaled = bets.scaled(differences)
    fits = bets.fits(scaled)
    high = -_lower([-value for value in scaled], bets, fits, error)
    return Interval(_lower(scaled, bets, fits, error) * bets.unit, high * bets.unit)


def _lower(scaled: list[float], bets: Bets, fits: bool, error: float) -> float:
    needed = math.log(2 / error)

    def lacking(margin: float) -> float:
        return needed - bets.log_evidence([value - margin for value in scaled], fits=fits, capped=False)

    if not scaled:
        return -math.inf
    middle = math.fsum(scaled) / len(scaled)
    reach = 1.0
    while lacking(middle - reach) > 0:
        reach *= 2
        if reach > 4 * LARGEST:
            return -math.inf
    nearest = middle if reach == 1 else middle - reach / 2
    if lacking(nearest) < 0:
        # Skewed differences: the evidence outlives their mean.
        return middle
    return false_position(lacking, middle - reach, nearest, _WIDTH * max(1.0, abs(middle)))
