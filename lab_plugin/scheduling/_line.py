"""The order in which results count, where it must not hang on how quickly programs run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator


class Line:
    """Ideas in the order in which their results count: first in, first out.

    All in the line may run at once. Only the result of the first one counts, and what follows from it is
    appended; so the line, and all that follows, is the same with one slot and with many.

    Args:
        window: Ideas in the line before which no new one is made, 1 or more.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self._line: deque[int] = deque()

    def __iter__(self) -> Iterator[int]:
        return iter(self._line)

    def __len__(self) -> int:
        return len(self._line)

    @property
    def room(self) -> int:
        """How many new ideas may be made now."""
        return max(0, self.window - len(self._line))

    def append(self, number: int) -> None:
        """Put an idea at the end; nothing when it is in the line already."""
        if number not in self._line:
            self._line.append(number)

    def place_of(self, number: int) -> int:
        """Ideas before this one, which must be in the line."""
        return self._line.index(number)

    def is_first(self, number: int) -> bool:
        """Whether the result of an idea may count now."""
        return bool(self._line) and self._line[0] == number

    def leave(self, number: int) -> None:
        """Take an idea out; nothing when it is not in the line."""
        if number in self._line:
            self._line.remove(number)
