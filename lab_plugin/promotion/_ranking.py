"""Results in order, best first."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator


class Ranking:
    """Numbers of ideas by their values, best first; equal values by number.

    Args:
        sign: 1 where low values are better, -1 where high ones are.
    """

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._entries: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[int]:
        return (number for _, number in self._entries)

    def __getitem__(self, place: int) -> int:
        return self._entries[place][1]

    def add(self, number: int, value: float) -> None:
        """Put one in."""
        insort(self._entries, (self._sign * value, number))

    def remove(self, number: int, value: float) -> None:
        """Take one out that is in."""
        del self._entries[self.place(number, value)]

    def place(self, number: int, value: float) -> int:
        """Where it is, or would be, from 0."""
        return bisect_left(self._entries, (self._sign * value, number))
