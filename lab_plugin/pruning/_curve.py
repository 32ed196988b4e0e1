"""A curve: what a candidate said of itself while it ran, step by step, within bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

LARGEST_STEP = 2**53
MOST_POINTS = 500
"""Kept of one curve."""

_COUNTS = ("out_of_order", "malformed", "not_finite", "thinned")


@dataclass(frozen=True)
class Curve:
    """Points in strictly rising steps, and how many were left out.

    Attributes:
        points: Step (0 to 2**53) and value (finite).
        out_of_order: Points whose step was not above the one before.
        malformed: Lines that begin as a point and are none.
        not_finite: Points whose value was NaN or infinite.
        thinned: Sound points that were left out because there were too many, evenly over the steps.
    """

    points: tuple[tuple[int, float], ...] = ()
    out_of_order: int = 0
    malformed: int = 0
    not_finite: int = 0
    thinned: int = 0

    def __bool__(self) -> bool:
        return bool(self.points) or any(getattr(self, name) for name in _COUNTS)

    @property
    def values(self) -> dict[int, float]:
        """Value by step, in rising steps."""
        return dict(self.points)

    def left_out(self) -> str:
        """What was left out and is the candidate's fault, in words; "" for nothing."""
        words = {
            "out of order": self.out_of_order,
            "malformed": self.malformed,
            "not finite": self.not_finite,
        }
        told = ", ".join(f"{count:,} {word}" for word, count in words.items() if count)
        return f"points left out: {told}" if told else ""

    def thin(self, most: int) -> Curve:
        """The same with at most `most` points, 2 or more, the last among them."""
        if len(self.points) <= most:
            return self
        thinner = Thinner(most)
        for step, value in self.points:
            thinner.add(step, value)
        points = thinner.points()
        return Curve(
            points,
            self.out_of_order,
            self.malformed,
            self.not_finite,
            self.thinned + len(self.points) - len(points),
        )


class Thinner:
    """Takes points in and keeps a bounded part of them.

    Of every `width` steps the first point is kept, and the last point of all. The width is a power of two, so
    that what is kept of a long curve was also kept while it was short, and two curves over the same steps
    keep the same steps: pruners compare values at equal steps.

    Args:
        most: Points to keep, 2 or more.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most - 1
        self._width = 1
        self._kept: list[tuple[int, float]] = []
        self._last: tuple[int, float] | None = None
        self.taken = 0

    def add(self, step: int, value: float) -> bool | None:
        """Take a point in.

        Returns:
            Whether it is kept as long as the curve does not grow much longer; None when its step is not above
            the last one, and it was not taken in.
        """
        if self._last is not None and step <= self._last[0]:
            return None
        self.taken += 1
        self._last = (step, value)
        if self._kept and step // self._width == self._kept[-1][0] // self._width:
            return False
        self._kept.append(self._last)
        while len(self._kept) > self._most:
            self._width *= 2
            # Never empty: the first point begins a group whatever the width.
            rest = [now for before, now in pairwise(self._kept) if not self._together(before[0], now[0])]
            self._kept = [self._kept[0], *rest]
        return self._kept[-1] is self._last

    def points(self) -> tuple[tuple[int, float], ...]:
        """What is kept."""
        if self._last is None or self._kept[-1] is self._last:
            return tuple(self._kept)
        return (*self._kept, self._last)

    def _together(self, step: int, other: int) -> bool:
        return step // self._width == other // self._width


def encode(curves: Mapping[int, Curve]) -> bytes:
    """Curves by the index of their point in the idea, as JSON."""
    document = {
        str(index): {"points": curve.points, **{name: getattr(curve, name) for name in _COUNTS}}
        for index, curve in sorted(curves.items())
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def decode(data: bytes) -> dict[int, Curve]:
    """Read curves back.

    Raises:
        ValueError: They are none.
    """
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("curves are no table")
    return {int(index): _curve(entry) for index, entry in document.items()}


def _curve(entry: Any) -> Curve:
    if not isinstance(entry, dict) or entry.keys() != {"points", *_COUNTS}:
        raise ValueError("a curve has other fields")
    try:
        points = tuple((step, float(value)) for step, value in _pairs(entry["points"]))
    except OverflowError:
        raise ValueError("a curve has a number that no float holds") from None
    counts = [entry[name] for name in _COUNTS]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("a curve counts wrongly")
    if len(points) > MOST_POINTS or not all(math.isfinite(value) for _, value in points):
        raise ValueError("a curve has points that no run can leave")
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(points)):
        raise ValueError("the steps of a curve do not rise")
    return Curve(points, *counts)


def _pairs(entries: Any) -> Iterable[tuple[int, Any]]:
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, list) or len(entry) != 2 or type(entry[0]) is not int:
            raise ValueError("a curve has a point that is none")
        if not 0 <= entry[0] <= LARGEST_STEP or type(entry[1]) not in (int, float):
            raise ValueError("a curve has a point that is none")
        yield entry[0], entry[1]
