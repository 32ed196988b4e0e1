"""How much error each idea of a campaign may spend.

The procedure is e-LOND (Xu and Ramdas, "Online multiple testing with e-values", AISTATS 2024): idea
number t is kept when its evidence reaches 1 / (a g(t) (K + 1)), with shares g that sum to at most 1 and
K the keeps so far. The false discovery rate is at most a at any time, for tests that depend on each
other in any way: ideas share a champion, its scores and its seeds. While nothing true was kept, this is
the probability of any false keep.

The share hangs on the idea's place in the campaign, which is given before its first score. Verdicts may
therefore come in any order. K only lowers what is wanted in the end and never when a comparison stops,
so that each comparison stops by what it saw itself, as the proof wants.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_LATER = 0.1
NOISE_SHARE = 0.1
"""Part of the error that goes to the bound of an estimated noise."""


@dataclass(frozen=True)
class Spent:
    """What one compared idea has spent, as its verdict says.

    Attributes:
        error: Its level before any keep raised it, `Level.base`.
        kept: It was kept by a test that controls error.
    """

    error: float
    kept: bool


@dataclass(frozen=True)
class Level:
    """What one idea may spend.

    Attributes:
        base: Its share of the campaign's error, fixed by its place; 0 when nothing is left.
        raised: The same times the keeps so far and one: what decides in the end.
    """

    base: float
    raised: float

    @property
    def needed(self) -> float:
        """Logarithm of the evidence at which a comparison stops with a keep."""
        return -math.log(self.base) if self.base > 0 else math.inf

    @property
    def least(self) -> float:
        """Logarithm of the evidence that is enough once all repeats are spent."""
        return -math.log(self.raised) if self.raised > 0 else math.inf


@dataclass
class ErrorBudget:
    """The error of one campaign: kept up idea by idea, or rebuilt from its verdicts.

    Args:
        error: Probability of a false keep that is allowed, above 0 and below 1.
        tries: Ideas that share nine tenths of it evenly. All later ones, without end, share the last
            tenth.

    Resumed under another error, a campaign takes new shares of the new error, and stops spending where
    the sum would exceed it: what was spent stays spent. The guarantee is then that of the largest error
    that was in force.
    """

    error: float
    tries: int = 200

    def __post_init__(self) -> None:
        if not (0 < self.error < 1 and self.tries >= 1):
            raise ValueError("an error lies between 0 and 1, and there is at least one try")
        self._spent = 0.0
        self._keeps = 0

    @property
    def spent(self) -> float:
        """Error spent so far, the part for the noise's bound not counted."""
        return self._spent

    @property
    def keeps(self) -> int:
        """Keeps so far."""
        return self._keeps

    def add(self, spent: Spent) -> None:
        """Count a verdict, in the order of the ledger; ideas that were not compared spend nothing."""
        self._spent += spent.error
        self._keeps += spent.kept

    def level(self, place: int) -> Level:
        """The level of an idea.

        Args:
            place: Its place in the campaign, from 1; each place belongs to one idea.
        """
        if place < 1:
            raise ValueError("places are counted from 1")
        total = self.error * (1 - NOISE_SHARE)
        # A share that fits but for rounding is given whole.
        base = max(0.0, min(total * self._share(place), total * (1 + 1e-9) - self._spent))
        return Level(base, min(1.0, base * (self._keeps + 1)))

    def _share(self, place: int) -> float:
        if place <= self.tries:
            return (1 - _LATER) / self.tries
        beyond = place - self.tries
        return _LATER * self.tries / ((self.tries + beyond - 1) * (self.tries + beyond))


def rebuild(error: float, tries: int, verdicts: Iterable[Spent]) -> ErrorBudget:
    """The budget of a campaign after its verdicts."""
    budget = ErrorBudget(error, tries)
    for verdict in verdicts:
        budget.add(verdict)
    return budget
