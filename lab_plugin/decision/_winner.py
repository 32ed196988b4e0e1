"""What an improvement is likely to be worth, once the way it was picked is taken into account."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from lab_plugin.decision._process import Bets

_STEP = 1e-3
_FAR = -30.0
_NORMAL = NormalDist()


def stopped_estimate(gains: Sequence[float], bets: Bets, spread: float, fits: bool) -> float:
    """The mean of gains at which a comparison stopped, less what stopping on a high adds.

    The first-order bias of a mean at the crossing of a line is variance times slope over height
    (Siegmund, "Estimation following sequential tests", Biometrika 1978; as a correction, Whitehead, "On
    the bias of maximum likelihood estimation following a sequential test", Biometrika 1986). The slope
    of the mixture is that of its logarithm where it stopped, the height its evidence.

    Args:
        gains: At least one, less their margin, in the metric's units.
        bets: The comparison's bets.
        spread: Standard deviation of a gain.
        fits: As the comparison found.
    """
    raw = math.fsum(gain / len(gains) for gain in gains)
    scaled = bets.scaled(gains)
    height = bets.log_evidence(scaled, fits=fits)
    if height <= 1 or not math.isfinite(raw):
        return raw
    above = bets.log_evidence([value + _STEP for value in scaled], fits=fits)
    below = bets.log_evidence([value - _STEP for value in scaled], fits=fits)
    slope = (above - below) / (2 * _STEP * len(scaled))
    bias = slope / height * (spread / bets.unit) ** 2 * bets.unit
    # A correction never says that the idea is worse than what it was tested against.
    return raw - min(bias, max(raw, 0.0))


def picked_estimate(first: float, later: float, count: int, rival: float, spread: float) -> float:
    """The gain of the best of a batch, picked by its first score and scored again.

    Cohen and Sackrowitz, "Two stage conditionally unbiased estimators of the selected mean" (Statistics
    and Probability Letters 1989): of all estimators without bias given the pick, that of least variance.

    Args:
        first: The gain that it was picked by.
        later: Mean of its later gains.
        count: How many those were, at least 1.
        rival: The first gain of the second best.
        spread: Standard deviation of one gain.
    """
    early, late = spread**2, spread**2 / count
    both = early + late
    if both == 0 or not math.isfinite(both):
        return later
    pooled = (late * first + early * later) / both
    far = math.sqrt(both) / early * (pooled - rival)
    return pooled - late / math.sqrt(both) * _hazard(far)


def _hazard(x: float) -> float:
    """Normal density over distribution function at x."""
    if x < _FAR:
        return -x
    return _NORMAL.pdf(x) / _NORMAL.cdf(x)
