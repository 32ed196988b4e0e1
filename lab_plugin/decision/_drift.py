"""Whether the machine, and not the candidate, has changed: the champion scored again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab_plugin.decision._evidence import Pairs
from lab_plugin.decision._interval import Interval, confidence_interval
from lab_plugin.decision._levels import NOISE_SHARE
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._process import open_bets


@dataclass(frozen=True)
class Drift:
    """How a champion's scores moved between two days.

    Attributes:
        moved: It was shown that they did.
        by: Mean of later minus earlier; None when it overflows.
        interval: Confidence sequence of it; both ends the difference where there is no noise.
    """

    moved: bool
    by: float | None
    interval: Interval


def look_for_drift(noise: Noise, again: Pairs, error: float = 0.05) -> Drift:
    """Compare a champion's later scores with its earlier ones on the same seeds.

    It may be asked after every pair. Pairs whose two scores were taken at one time need no such look:
    what moves both cancels.

    Args:
        noise: Of the metric.
        again: `candidate` holds the later scores, `champion` the earlier ones.
        error: Probability of finding a drift where there is none, above 0 and below 1.
    """
    differences = again.differences()
    by = math.fsum(value / len(differences) for value in differences)
    shown = by if math.isfinite(by) else None
    if noise.deterministic:
        return Drift(any(differences), shown, Interval(by, by))
    bets = open_bets(noise, error * NOISE_SHARE)
    interval = confidence_interval(bets, differences, error * (1 - NOISE_SHARE))
    return Drift(interval.low > 0 or interval.high < 0, shown, interval)
