"""How much a score moves when only the seed does."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lab_plugin.decision._chance import chi2_quantile, mean

EQUAL = 3
_ROOT2 = math.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise of one metric under one lock.

    `sd` is that of single runs over seeds. What is compared are differences of two runs on one seed;
    their standard deviation is sqrt(2) times `sd` when a common seed has nothing in common, and smaller
    when it has. Wherever an effect is given in standard deviations, those of one paired difference are
    meant.

    Attributes:
        sd: Standard deviation of a run over seeds, in the metric's units; 0 when it is deterministic.
        df: Degrees of freedom behind `sd`; infinite when it is stated.
        origin: `calibrated` from repeats of the baseline, `stated` by the owner, or `found` in the
            middle of comparisons of what had been taken for deterministic.
        paired_sd: Standard deviation of a paired difference as the comparisons so far show it; None
            before any. It is used for giving up early only, never for a keep.
        paired_df: Degrees of freedom behind `paired_sd`.
    """

    sd: float
    df: float = 0.0
    origin: Literal["calibrated", "stated", "found"] = "calibrated"
    paired_sd: float | None = None
    paired_df: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sd) and self.sd >= 0):
            raise ValueError("a standard deviation is finite and 0 or more")

    @property
    def deterministic(self) -> bool:
        """Whether all repeats were equal."""
        return self.sd == 0

    @property
    def difference_sd(self) -> float:
        """Standard deviation of one paired difference when common seeds do not help."""
        return min(self.sd * _ROOT2, sys.float_info.max)

    @property
    def expected_sd(self) -> float:
        """The best guess at the standard deviation of one paired difference: the one of the pairs seen."""
        if self.paired_sd is None or self.paired_sd == 0 or self.paired_df < EQUAL:
            return self.difference_sd
        return self.paired_sd

    def bound(self, error: float) -> float:
        """How many times `sd` the true one may be, but for a probability of `error`.

        1 when the noise is stated; infinite when there is no independent calibration behind it. From the
        chi-square distribution of a Gaussian sample's variance.
        """
        if self.origin == "stated":
            return 1.0
        if self.origin == "found" or self.df < 1:
            return math.inf
        return max(1.0, math.sqrt(self.df / chi2_quantile(error, self.df)))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Where the true `sd` lies (Gaussian noise); without repeats from 0 to infinity."""
        if self.deterministic or self.origin == "stated":
            return self.sd, self.sd
        if self.df < 1:
            return 0.0, math.inf
        tail = (1 - confidence) / 2
        wide = math.sqrt(self.df / chi2_quantile(tail, self.df))
        narrow = math.sqrt(self.df / chi2_quantile(1 - tail, self.df))
        return self.sd * narrow, self.sd * wide

    def learn(self, differences: Sequence[float]) -> Noise:
        """This noise, with what the differences of one comparison add to `paired_sd`."""
        if self.deterministic or len(differences) < 2:
            return self
        sd, df = _spread(differences)
        total = self.paired_df + df
        before = (self.paired_sd or 0.0) * math.sqrt(self.paired_df / total)
        return replace(self, paired_sd=math.hypot(before, sd * math.sqrt(df / total)), paired_df=total)


def estimate_noise(values: Sequence[float]) -> Noise:
    """Estimate noise from repeats of one commit with different seeds.

    Args:
        values: At least one finite value. The seeds must be other than those of later comparisons, so
            that the estimate is independent of what it is used for: `calibration_seed` gives such.

    Returns:
        Deterministic when all are equal, also with one value only: nothing has shown any noise then.

    Raises:
        ValueError: There is no value, or one is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("noise is estimated from one or more finite values")
    sd, df = _spread(values)
    return Noise(sd=sd, df=df)


def found_noise(groups: Iterable[Sequence[float]]) -> Noise:
    """Estimate noise from repeats of several commits, found when a scorer turned out not to be
    deterministic.

    Args:
        groups: The values of one commit each.
    """
    spreads = [_spread(group) for group in groups if group]
    total = sum(df for _, df in spreads)
    sd = math.hypot(*(sd * math.sqrt(df / total) for sd, df in spreads)) if total else 0.0
    return Noise(sd=_finite(sd), df=total, origin="found")


def calibrated_enough(values: Sequence[float], wanted: int) -> bool:
    """Whether a calibration may stop: as many repeats as wanted, or the first 3 equal."""
    return len(values) >= wanted or (len(values) >= EQUAL and len(set(values)) == 1)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    if len(set(values)) < 2:
        return 0.0, len(values) - 1.0
    middle = mean(tuple(values))
    # hypot neither overflows nor underflows where squares would; a spread may still be less than any float.
    df = len(values) - 1.0
    sd = math.hypot(*(value / math.sqrt(df) - middle / math.sqrt(df) for value in values))
    return max(_finite(sd), sys.float_info.min), df


def _finite(value: float) -> float:
    return min(value, sys.float_info.max)
