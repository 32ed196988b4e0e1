"""The comparison of `lab_plugin.decision`, for many ideas at once; a test holds both together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab_plugin.decision import ErrorBudget, Noise, Rules
from lab_plugin.decision._chance import chi2_quantile
from lab_plugin.decision._levels import NOISE_SHARE
from lab_plugin.decision._process import _MISFIT, CAP, SLOPES, Bets, open_bets

Array = NDArray[np.float64]
_FIRST = 10


@dataclass(frozen=True)
class Outcomes:
    """How ideas fared.

    Attributes:
        kept: Per idea.
        repeats: Per idea, until it stopped.
        estimate: Mean gain where it stopped.
    """

    kept: NDArray[np.bool_]
    repeats: NDArray[np.int64]
    estimate: Array


def simulate(
    gains: Array, bets: Bets, needed: Array | float, effect: float, spread: Array | float
) -> Outcomes:
    """Walk through many comparisons.

    Args:
        gains: Ideas by repeats, less their margin, in units of `bets`.
        bets: With unit 1.
        needed: Per idea, or one for all.
        effect: As for the rules.
        spread: Per idea, or one for all, in units of `bets`.
    """
    ideas, repeats = gains.shape
    needed, spread = np.broadcast_to(needed, ideas), np.broadcast_to(spread, ideas)
    first = min(_FIRST, repeats)
    kept, stops = _walk(gains[:, :first], bets, needed, effect, spread)
    still = np.flatnonzero(~kept & (stops == 0))
    kept[still], stops[still] = _walk(gains[still], bets, needed[still], effect, spread[still])
    stops[stops == 0] = repeats
    sums = np.cumsum(gains, axis=1)[np.arange(ideas), stops - 1]
    return Outcomes(kept, stops, sums / stops)


def log_evidence(gains: Array, bets: Bets, gaussian: bool = True) -> Array:
    """Evidence after each repeat."""
    from lab_plugin.decision._process import _SIGN_SHARES, _SLOPE_SHARES
    from lab_plugin.decision._signs import SIGN_SLOPES

    share = bets.gaussian_share
    total = np.full(gains.shape, -np.inf)
    for slope, part in zip(SIGN_SLOPES, _SIGN_SHARES, strict=True):
        logs = np.log(2) - np.logaddexp(0, -2 * slope * gains)
        total = np.logaddexp(total, np.log((1 - share) * part) + np.cumsum(logs, axis=1))
    if share and gaussian:
        for slope, part in zip(SLOPES, _SLOPE_SHARES, strict=True):
            logs = np.minimum(slope * gains / bets.bound - slope**2 / 2, CAP)
            total = np.logaddexp(total, np.log(share * part) + np.cumsum(logs, axis=1))
    return total


def _walk(
    gains: Array, bets: Bets, needed: Array, effect: float, spread: Array
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    evidence = log_evidence(gains, bets)
    over = (evidence >= needed[:, None]) & _fits(gains, bets)
    if np.isfinite(bets.bound):
        suspects = np.flatnonzero((evidence >= needed[:, None]).any(axis=1))
        over[suspects] |= (evidence[suspects] >= needed[suspects, None]) & (
            log_evidence(gains[suspects], bets, gaussian=False) >= needed[suspects, None]
        )
    odds = np.cumsum(np.minimum(effect * gains / spread[:, None] - effect**2 / 2, CAP), axis=1)
    patience = np.where(np.arange(gains.shape[1]) < 2, 1.75, 2.3)
    under = odds <= -patience
    last = gains.shape[1]
    first_over = np.where(over.any(axis=1), over.argmax(axis=1), last)
    first_under = np.where(under.any(axis=1), under.argmax(axis=1), last)
    kept = (first_over <= first_under) & (first_over < last)
    stops = np.minimum(first_over, first_under) + 1
    return kept, np.where(stops > last, 0, stops)


def _fits(gains: Array, bets: Bets) -> NDArray[np.bool_]:
    if not np.isfinite(bets.bound):
        return np.ones(gains.shape, dtype=bool)
    counts = np.arange(1, gains.shape[1] + 1)
    spread = np.cumsum(gains**2, axis=1) - np.cumsum(gains, axis=1) ** 2 / counts
    limits = [np.inf, *(chi2_quantile(1 - _MISFIT, count - 1.0) for count in counts[1:])]
    return spread / bets.bound**2 <= np.array(limits)


def levels(rules: Rules) -> Array:
    """The evidence wanted of each idea of a campaign without keeps."""
    budget = ErrorBudget(rules.error, rules.tries)
    return np.array([budget.level(place).needed for place in range(1, rules.tries + 1)])


def known() -> tuple[Noise, Bets]:
    """Noise of known size: a paired difference has the standard deviation 1."""
    noise = Noise(sd=2**-0.5, origin="stated")
    return noise, open_bets(noise, 0.005)


def found(effect: float, rules: Rules, ideas: int, rng: np.random.Generator) -> Outcomes:
    """Ideas of one true effect, in standard deviations of a paired difference, under known noise."""
    gains = rng.standard_normal((ideas, rules.max_repeats)) + effect
    return simulate(gains, known()[1], levels(rules)[0], rules.detect, 1.0)


@dataclass(frozen=True)
class Campaigns:
    """Pure noise.

    Attributes:
        false: Part of the campaigns with a false keep.
        greedy: The same of a greedy policy with one repeat.
        repeats: Mean repeats of an idea.
    """

    false: float
    greedy: float
    repeats: float


def pure_noise(draw, rules: Rules, campaigns: int, rng: np.random.Generator, calibrate: int = 0) -> Campaigns:
    """Campaigns whose ideas all are the champion, run on the same seeds as its cached scores.

    Args:
        draw: Of a generator and a shape: scores.
        rules: `[decision]`.
        campaigns: How many.
        rng: Source of chance.
        calibrate: Repeats that the noise is estimated from; 0: it is known to be 1 for a score.
    """
    false, greedy, repeats = 0, 0, 0.0
    needed = levels(rules)
    bets = open_bets(
        Noise(sd=1.0, df=calibrate - 1) if calibrate else Noise(sd=1.0, origin="stated"),
        rules.error * NOISE_SHARE,
    )
    for _ in range(campaigns):
        champion = draw(rng, (1, rules.max_repeats))
        gains = draw(rng, (rules.tries, rules.max_repeats)) - champion
        sd = np.std(draw(rng, calibrate), ddof=1) if calibrate else 1.0
        if sd == 0:
            # A calibration that saw no noise: found out later, and compared by signs alone.
            sd, fair = 1.0, Bets(1.0, np.inf)
        else:
            fair = Bets(1.0, bets.bound)
        outcomes = simulate(gains / (sd * 2**0.5), fair, needed, rules.detect, 1.0)
        false += bool(outcomes.kept.any())
        greedy += bool((gains[:, 0] > 0).any())
        repeats += float(outcomes.repeats.mean())
    return Campaigns(false / campaigns, greedy / campaigns, repeats / campaigns)
