"""Quantiles that the decision needs, in plain `math`, so that no verdict waits for a large import."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_STEPS = 200


def bisect(rises: Callable[[float], float], low: float, high: float, steps: int = _STEPS) -> float:
    """Where a function that does not fall reaches 0, from below: the last point found with a value under
    0.

    Args:
        rises: Does not fall between `low` and `high`.
        low: Has a value under 0; it is returned when nothing above it does.
        high: Upper end of the search.
        steps: Halvings at most; it stops early where floats do.
    """
    for _ in range(steps):
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        if rises(middle) < 0:
            low = middle
        else:
            high = middle
    return low


def false_position(rises: Callable[[float], float], low: float, high: float, width: float) -> float:
    """A point at most `width` below the root, never above it, of a smooth function that rises.

    The Illinois method (Dowell and Jarratt, BIT 1971): a secant that never loses its bracket.

    Args:
        rises: Has its root between `low` and `high`.
        low: Where it is below 0.
        high: Where it is 0 or more.
        width: Above 0.
    """
    below, above, side = rises(low), rises(high), 0
    for _ in range(_STEPS):
        if high - low <= width:
            break
        middle = high - above * (high - low) / (above - below)
        # A little beside the secant's point, so that both ends close in.
        middle = min(max(middle, low + width / 2), high - width / 2)
        value = rises(middle)
        if value < 0:
            low, below = middle, value
            above, side = (above / 2, -1) if side < 0 else (above, -1)
        else:
            high, above = middle, value
            below, side = (below / 2, 1) if side > 0 else (below, 1)
    return low


@lru_cache(maxsize=256)
def chi2_quantile(probability: float, df: float) -> float:
    """The quantile of a chi-square distribution; rounded down by less than 1e-9 of itself.

    Args:
        probability: Above 0 and below 1.
        df: Degrees of freedom, above 0.
    """
    high = df + 10.0
    while _chi2_cdf(high, df) < probability:
        high *= 2
    return bisect(lambda x: _chi2_cdf(x, df) - probability, 0.0, high)


def _chi2_cdf(x: float, df: float) -> float:
    """Regularised lower incomplete gamma function by its series, with terms that are all positive."""
    if x <= 0:
        return 0.0
    shape, half = df / 2, x / 2
    term = total = 1.0 / shape
    step = shape
    while term > total * 1e-16:
        step += 1
        term *= half / step
        total += term
    return min(1.0, total * math.exp(shape * math.log(half) - half - math.lgamma(shape)))


@lru_cache(maxsize=256)
def student_quantile(probability: float, df: int) -> float:
    """The quantile of Student's distribution.

    Args:
        probability: At least 0.5 and below 1.
        df: Degrees of freedom, 1 or more.
    """
    high = 1.0
    while _student_middle(high, df) < 2 * probability - 1:
        high *= 2
    return bisect(lambda t: _student_middle(t, df) - (2 * probability - 1), 0.0, high)


def _student_middle(t: float, df: int) -> float:
    """Probability between -t and t (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3-4)."""
    angle = math.atan(t / math.sqrt(df))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = df % 2
    term, total = (cosine if odd else 1.0), 0.0
    for power in range(odd, df - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def log_sum(terms: list[float]) -> float:
    """The logarithm of a sum of exponentials; minus infinity for none."""
    top = max(terms, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(sum([math.exp(term - top) for term in terms]))


def mean(values: tuple[float, ...]) -> float:
    """The mean of finite values, without overflow."""
    scale = max(map(abs, values))
    return math.fsum(value / scale for value in values) / len(values) * scale if scale else 0.0
