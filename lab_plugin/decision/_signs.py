"""The bets on signs, four slopes at once, with one exponential a difference."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

SIGN_SLOPES = (0.5, 1.0, 2.0, 4.0)
"""Each is twice the one before, so that its exponential is the square of the one before."""
_BLOCK = 500
"""So many factors between 1 and 2 are multiplied without overflow before a logarithm is taken."""
_LOG2 = math.log(2)


def sign_trail(scaled: Sequence[float], weights: Sequence[float]) -> list[list[float]]:
    """Logarithms of the products of 2 / (1 + exp(-2 k u)), slope by slope, after each difference u.

    Args:
        scaled: The differences.
        weights: Logarithm of what each product starts from.
    """
    before: list[float] = list(weights)
    trail: list[list[float]] = []
    for start in range(0, len(scaled), _BLOCK):
        block = [_logs(before, state) for state in _states(scaled[start : start + _BLOCK])]
        before = block[-1]
        trail += block
    return trail


def sign_logs(scaled: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The last entry of `sign_trail`; the weights when there is no difference."""
    logs = list(weights)
    for start in range(0, len(scaled), _BLOCK):
        [last] = deque(_states(scaled[start : start + _BLOCK]), maxlen=1)
        logs = _logs(logs, last)
    return logs


_State = tuple[int, float, float, float, float, float]


def _states(scaled: Sequence[float]) -> Iterator[_State]:
    """Count, sum of what is below 0, and the products of 1 + t, with t = exp(-2 k |u|), slope by slope.

    2 / (1 + exp(-2 k u)) is 2 / (1 + t) for u above 0, and 2 t / (1 + t) below.
    """
    below, first, second, third, fourth = 0.0, 1.0, 1.0, 1.0, 1.0
    for count, value in enumerate(scaled, start=1):
        if value < 0:
            below += value
        power = math.exp(-abs(value))
        first *= 1 + power
        power *= power
        second *= 1 + power
        power *= power
        third *= 1 + power
        fourth *= 1 + power * power
        yield count, below, first, second, third, fourth


def _logs(before: list[float], state: _State) -> list[float]:
    count, below, first, second, third, fourth = state
    gains, log = count * _LOG2, math.log
    return [
        before[0] + gains + below - log(first),
        before[1] + gains + 2 * below - log(second),
        before[2] + gains + 4 * below - log(third),
        before[3] + gains + 8 * below - log(fourth),
    ]
