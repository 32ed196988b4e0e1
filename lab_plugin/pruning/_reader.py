"""`LAB_CURVE <step> <value>`: points out of a candidate's stdout, as it grows.

The candidate is hostile: its output may be huge, half written, binary, or made to look like points. Memory is
bounded by the points that are kept and one line; time is linear in the bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab_plugin.pruning._curve import LARGEST_STEP, MOST_POINTS, Curve, Thinner

WORD = b"LAB_CURVE"
"""Begins the line of a point."""

_LONGEST_LINE = 200
_STEP = re.compile(rb"[0-9]{1,16}")
_VALUE = re.compile(
    rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?|[+-]?(?:nan|inf(?:inity)?)", re.I
)


@dataclass(frozen=True)
class Reading:
    """One sound point.

    Attributes:
        step: Above the step of every point before.
        value: May be NaN or infinite.
        kept: It is one of those that are kept of a long curve.
    """

    step: int
    value: float
    kept: bool


class CurveReader:
    """Reads one run's points.

    A line counts once its end has come: what a full log or a kill cut off may be another number.

    Args:
        most: Points to keep.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._thinner = Thinner(most)
        self._rest = b""
        self._overlong = False
        self._out_of_order = self._malformed = self._not_finite = 0
        self._last_step = -1

    def feed(self, data: bytes) -> Iterator[Reading]:
        """Take in what came since; a caller that stops early leaves later points of `data` unread.

        Args:
            data: The next bytes of the stream, cut anywhere.

        Yields:
            Each point with a rising step.
        """
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = b""
        for line in lines:
            if self._overlong:
                self._overlong = False
            elif (found := self._read(line)) is not None:
                yield found
        if len(rest) <= _LONGEST_LINE:
            self._rest = b"" if self._overlong else rest
        elif not self._overlong:
            self._overlong = True
            self._malformed += _begins(rest)

    def curve(self) -> Curve:
        """The finite points so far."""
        points = self._thinner.points()
        thinned = self._thinner.taken - len(points)
        return Curve(points, self._out_of_order, self._malformed, self._not_finite, thinned)

    def _read(self, line: bytes) -> Reading | None:
        if not _begins(line):
            return None
        parts = line.split() if len(line) <= _LONGEST_LINE else []
        if len(parts) != 3 or not _STEP.fullmatch(parts[1]) or not _VALUE.fullmatch(parts[2]):
            self._malformed += 1
            return None
        step, value = int(parts[1]), float(parts[2])
        if step > LARGEST_STEP:
            self._malformed += 1
            return None
        if step <= self._last_step:
            self._out_of_order += 1
            return None
        self._last_step = step
        if not math.isfinite(value):
            self._not_finite += 1
            return Reading(step, value, kept=False)
        return Reading(step, value, kept=bool(self._thinner.add(step, value)))


def _begins(line: bytes) -> bool:
    return line.startswith(WORD) and line[len(WORD) : len(WORD) + 1] in (b" ", b"\t", b"\r", b"")
