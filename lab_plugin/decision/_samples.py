"""Comparison sample by sample, of scorers that give the same scorecard twice."""

from __future__ import annotations

import math
from collections import Counter

from lab_plugin.decision._chance import false_position, log_sum
from lab_plugin.decision._evidence import SamplePairs
from lab_plugin.decision._interval import Interval

_SLOPES = tuple(2.0**power for power in range(-6, 5))
_LARGEST = 1e150
_WIDTH = 1e-4


class SampleBets:
    """The bets on signs of an e-process, on the samples of one scorecard pair.

    The differences are taken as draws that are as likely above the margin as below it by the same
    amount, under the null hypothesis. That is exact, for any sizes and any number of ties, when two
    candidates without a difference exchange their scores on each sample freely (with 0/1 scores: the
    test of McNemar, with e-values). All come at once, so that their scale, which has no sign, may be
    taken from them.

    Args:
        pairs: Per-sample differences, in the metric's units and direction.
        gain: 1 when higher is better, -1 when lower is.
    """

    def __init__(self, pairs: SamplePairs, gain: int) -> None:
        values = [min(max(gain * value, -_LARGEST), _LARGEST) for value in pairs.differences]
        self._scale = max(map(abs, values), default=0.0)
        counts = Counter(values)
        if pairs.lost:
            counts[-(self._scale or 1.0)] += pairs.lost
        self._scale = self._scale or 1.0
        self._counts = list(counts.items())
        self.count = sum(counts.values())

    @property
    def mean(self) -> float:
        """Mean gain; lost samples count as the largest loss."""
        return math.fsum(value / self.count * times for value, times in self._counts) if self.count else 0.0

    def log_evidence(self, margin: float = 0.0, sign: int = 1) -> float:
        """Logarithm of the evidence that the mean gain exceeds a margin; with `sign` -1, that it is below."""
        import numpy as np

        times = np.array([count for _, count in self._counts], dtype=float)
        turns = sign * (np.array([value for value, _ in self._counts]) - margin)
        turns /= np.abs(turns).max(initial=0.0) or 1.0
        terms = []
        for slope in _SLOPES:
            gains = math.log(2) - np.logaddexp(0.0, -2 * slope * turns)
            terms.append(float(gains @ times) - math.log(len(_SLOPES)))
        return log_sum(terms)

    def interval(self, error: float) -> Interval:
        """Confidence interval of the mean gain."""
        return Interval(self._end(1, error), self._end(-1, error))

    def _end(self, sign: int, error: float) -> float:
        needed = math.log(2 / error)

        def lacking(distance: float) -> float:
            return needed - self.log_evidence(self.mean - sign * distance, sign)

        far = self._scale * 1e-3
        while lacking(far) > 0:
            far *= 2
            if far > 64 * self._scale:
                return -sign * math.inf
        if lacking(0.0) <= 0:
            return self.mean
        return self.mean + sign * false_position(lambda beside: lacking(-beside), -far, 0.0, _WIDTH * far)
