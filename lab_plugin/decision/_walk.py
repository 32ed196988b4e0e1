"""The way of one comparison, repeat by repeat, to the moment when it is clear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab_plugin.decision._chance import bisect
from lab_plugin.decision._process import CAP, Bets

_EARLY = 1.75
_LATE = 2.3
_EARLY_REPEATS = 2
_LIKELY = 1.2816
"""The normal quantile of 0.9."""
_HUGE = 1e4
_STEPS = 40


@dataclass(frozen=True)
class Walk:
    """How far a comparison came.

    Attributes:
        state: `better` beyond the margin, `hopeless`, or `open`.
        repeats: After how many it stopped; all of them when it is open.
        log_evidence: For "better", in nats, when it stopped.
        fits: The differences spread no more than the noise allows for.
    """

    state: Literal["better", "hopeless", "open"]
    repeats: int
    log_evidence: float
    fits: bool


def walk(
    gains: Sequence[float],
    bets: Bets,
    needed: float,
    *,
    effect: float,
    spread: float,
    skip: int = 0,
) -> Walk:
    """Go through gains, less their margin, in order, and stop as soon as they say enough.

    It depends on the gains up to the stop alone. That a stop for "better" is right is Ville's
    inequality; that for "hopeless" is cheap and needs no proof, since giving up never keeps anything. It
    is Wald's sequential probability ratio test of a mean of `effect * spread` against 0 (Annals of
    Mathematical Statistics 1945), given up when the odds have fallen to about a tenth.

    Args:
        gains: Differences in the direction of better, less the margin, in the metric's units.
        bets: The comparison's bets.
        needed: Logarithm of the evidence at which it is better.
        effect: Gain that is not to be missed, in `spread`s.
        spread: Likely standard deviation of one gain, in the metric's units.
        skip: First gains that are no evidence: the idea was picked by them.
    """
    hope = Bets(spread, math.inf)
    odds, evidence, fits = 0.0, 0.0, True
    scaled = bets.scaled(gains[skip:])
    trail = [0.0] * skip + bets.trail(scaled)
    for count, gain in enumerate(gains, start=1):
        odds += min(effect * hope.scale(gain) - effect * effect / 2, CAP)
        evidence = trail[count - 1]
        if evidence >= needed:
            if not (fits := bets.fits(scaled[: count - skip])):
                evidence = bets.log_evidence(scaled[: count - skip], fits=False)
            if evidence >= needed:
                return Walk("better", count, evidence, fits)
        if odds <= -(_EARLY if count <= _EARLY_REPEATS else _LATE):
            return Walk("hopeless", count, evidence, fits)
    return Walk("open", len(gains), evidence, fits)


def lacking(bets: Bets, needed: float, repeats: int, size: float, spread: float) -> float:
    """Evidence that is missing after all repeats, in nats, in the worst of ten cases; 0 or less for
    none.

    Args:
        bets: As of `open_bets`.
        needed: Logarithm of the evidence that is wanted.
        repeats: Of the comparison.
        size: The true improvement beyond the margin, in `spread`s.
        spread: As for `walk`.
    """
    rough = spread / bets.unit
    middle = rough * (size - _LIKELY / math.sqrt(repeats))
    swing = rough if repeats > 1 else 0.0
    seen = [middle + (swing if number % 2 else -swing) for number in range(repeats)]
    return needed - bets.log_evidence(seen)


def detectable(bets: Bets, needed: float, repeats: int, effect: float, spread: float) -> float:
    """The smallest improvement that is found with a probability of about 0.9, in the metric's units.

    Args:
        bets: As of `open_bets`.
        needed: Logarithm of the evidence that is wanted.
        repeats: At most.
        effect: As for `walk`; smaller improvements are given up early.
        spread: As for `walk`.

    Returns:
        Infinite when so few repeats can never show anything.
    """
    if lacking(bets, needed, repeats, _HUGE, spread) > 0:
        return math.inf
    least = bisect(lambda size: -lacking(bets, needed, repeats, size, spread), 0.0, _HUGE, _STEPS)
    return max(effect, least) * spread
