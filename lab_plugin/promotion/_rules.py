"""What `promote` of a tier may say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Goal = Literal["maximize", "minimize"]

_ROUNDING = 1e-9
"""0.29 * 100 is a little under 29, and means 29."""


@dataclass(frozen=True)
class TopK:
    """The best few of a cohort go on.

    Attributes:
        k: How many, 1 or more. With `k` of `of` or more, all go on.
        of: Results in a cohort, in the order of arrival; it is decided when it is full. None: the whole
            campaign is one cohort, decided when no more results come.
    """

    k: int
    of: int | None = None

    def __post_init__(self) -> None:
        if self.k < 1 or (self.of is not None and self.of < 1):
            raise ValueError("a cohort has 1 result or more, and 1 or more of them go on")

    def places(self, results: int, *, promoted: bool) -> int:
        """How many of a cohort that stayed incomplete go on.

        The share of a full one, rounded down; but at least one where nothing went on before, so that a
        short campaign does not end without any result of its last tier.

        Args:
            results: In the cohort, 0 or more.
            promoted: An earlier cohort promoted something.
        """
        if self.of is None:
            return self.k
        return max(self.k * results // self.of, 0 if promoted else 1)


@dataclass(frozen=True)
class Quantile:
    """Asynchronous successive halving: no idea waits for a cohort to be full.

    An idea is due the moment it is among the best `floor(n * share)` of the n results so far; a later
    result can make an earlier, waiting idea due (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht
    and Talwalkar, "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2; `share`
    is one over their reduction factor). Since nothing that went on is called back, somewhat more than the
    share goes on when ideas get better.

    Attributes:
        share: Above 0, and at most 1.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("a share lies above 0, and is at most 1")

    def places(self, results: int) -> int:
        """How many of so many results go on."""
        return min(results, math.floor(results * self.share + _ROUNDING))


@dataclass(frozen=True)
class Threshold:
    """An idea whose value reaches a bar goes on, at once.

    Attributes:
        bar: Finite. At least this goes on where the goal is to maximize, at most this otherwise.
    """

    bar: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.bar):
            raise ValueError("a bar is finite")

    def reached(self, value: float, goal: Goal) -> bool:
        """Whether a value goes on."""
        return value >= self.bar if goal == "maximize" else value <= self.bar


@dataclass(frozen=True)
class Decided:
    """An idea that the tier's decision rule keeps goes on, at once."""


Rule = TopK | Quantile | Threshold | Decided
