"""What an estimator starts from: points that were scored elsewhere, as far as they can help it.

Nobody here made their values. So they only fill the place of scores that the lab does not have yet: with each
score of its own the estimator sees one of them less, and after `SEEN` scores none. A scale that was not the
lab's can mislead it no longer than that. They are never taken for tried: the best are proposed first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lab_plugin.proposers._contract import Prior
from lab_plugin.proposers._space import Code, Space

SEEN = 50
_BEST = 10
_FIRST = 3


class PriorPoint(NamedTuple):
    """One of them.

    Attributes:
        loss: Lower is better, whatever the goal.
        code: The point.
    """

    loss: float
    code: Code


class PriorPoints:
    """Those of a space, the best first; of several values of a point, the worst counts.

    Args:
        prior: What was tried elsewhere.
        space: Others than its points are passed over, and so is what has no comparable value.
        sign: What makes lower better.
    """

    def __init__(self, prior: Iterable[Prior], space: Space, sign: float) -> None:
        losses: dict[Code, float] = {}
        for one in prior:
            code = space.encode(one.params) if one.comparable and one.value is not None else None
            if code is not None and one.value is not None and math.isfinite(one.value):
                losses[code] = max(sign * one.value, losses.get(code, -math.inf))
        self._points = sorted(PriorPoint(loss, code) for code, loss in losses.items())

    def first(self) -> Iterator[Code]:
        """The best, which are worth a score of the lab's own."""
        return (point.code for point in self._points[:_FIRST])

    def seen(self, scored: int) -> list[PriorPoint]:
        """What an estimator sees: the best, and the rest of all ranks.

        Args:
            scored: Scores that the lab has of its own.
        """
        most = max(0, SEEN - scored)
        if len(self._points) <= most:
            return self._points
        best = self._points[: min(_BEST, most)]
        rest, wanted = self._points[len(best) :], most - len(best)
        return best + [rest[index * len(rest) // wanted] for index in range(wanted)]
