"""What a proposer is told, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lab_plugin.proposers import Outcome, Proposer


class Telling:
    """Tells a proposer of results and verdicts: at once, or when it is asked for an idea that may know.

    Args:
        proposer: Who is told.
        deferred: Whether it is told later.
    """

    def __init__(self, proposer: Proposer, *, deferred: bool) -> None:
        self._proposer = proposer
        self._deferred = deferred
        self._waiting: deque[tuple[Outcome, ...]] = deque()
        self._told = 0

    @property
    def count(self) -> int:
        """Results and verdicts so far, told or not."""
        return self._told + len(self._waiting)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """There is a result or a verdict."""
        self._waiting.append(tuple(outcomes))
        if not self._deferred:
            self.up_to(self.count)

    def up_to(self, count: int) -> None:
        """Tell of the first results and verdicts of this process, so many in all."""
        while self._waiting and self._told < count:
            self._told += 1
            for outcome in self._waiting.popleft():
                self._proposer.tell(outcome)
