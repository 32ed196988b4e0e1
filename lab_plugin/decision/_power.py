"""What a budget of repeats can show, and what the best possible test would need."""

from __future__ import annotations

import math
from typing import NamedTuple

from lab_plugin.decision._evidence import Pairs
from lab_plugin.decision._levels import NOISE_SHARE, ErrorBudget
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._process import open_bets
from lab_plugin.decision._rules import Rules
from lab_plugin.decision._statement import Statement, describe, with_student_interval
from lab_plugin.decision._walk import detectable


class WaldBounds(NamedTuple):
    """Least mean numbers of repeats of any sequential test with given errors (Wald 1945), overshoot
    neglected.

    Attributes:
        better: For an idea with the effect.
        equal: For an idea without effect.
        worse: For one that is worse by as much; the same test's number, and no bound.
    """

    better: float
    equal: float
    worse: float


def wald_bounds(error: float, missed: float, effect: float) -> WaldBounds:
    """Wald's numbers for Gaussian differences of known noise.

    Args:
        error: Probability of a false keep, above 0 and below 1.
        missed: Probability of missing the effect, above 0 and below 1.
        effect: In standard deviations of one difference, above 0.
    """
    up, down = math.log((1 - missed) / error), math.log(missed / (1 - error))
    better = ((1 - missed) * up + missed * down) / (effect**2 / 2)
    equal = -(error * up + (1 - error) * down) / (effect**2 / 2)
    return WaldBounds(better, equal, -down / (1.5 * effect**2))


def detectable_improvement(rules: Rules, noise: Noise) -> float:
    """The smallest improvement beyond the margin that one idea of a campaign is found with, in 9 of 10
    cases.

    Returns:
        In the metric's units; 0 without noise; infinite when `max_repeats` can never show anything.
    """
    if noise.deterministic:
        return 0.0
    bets = open_bets(noise, rules.error * NOISE_SHARE)
    needed = ErrorBudget(rules.error, rules.tries).level(1).needed
    return detectable(bets, needed, rules.max_repeats, rules.detect, noise.expected_sd)


def confirm(noise: Noise, pairs: Pairs, confidence: float = 0.95) -> Statement:
    """What improvement is really there: the champion beside the original baseline, on fresh seeds.

    Nothing was picked by these scores and their number was fixed before, so that their mean needs no
    correction, and the interval is Student's ("The probable error of a mean", Biometrika 1908), for
    differences that are roughly Gaussian.

    Args:
        noise: Of the metric; without any there is no interval, and none with a single pair.
        pairs: `candidate` holds the champion's scores, `champion` the baseline's, on
            `confirmation_seed`s.
        confidence: Of the interval.
    """
    if noise.deterministic:
        return describe(pairs)
    return with_student_interval(pairs, confidence)
