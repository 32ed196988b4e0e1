"""What a proposer is told, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lab_plugin.proposers import Outcome, Proposer


class Telling:
    """Tells a proposer of verdicts: at once, or not before it is asked for an idea that may know of them.

    Args:
        proposer: Who is told.
        deferred: Whether it is told later.
    """

    def __init__(self, proposer: Proposer, *, deferred: bool) -> None:
        self._proposer = proposer
        self._deferred = deferred
        self._waiting: deque[tuple[Outcome, ...]] = deque()
        self._told = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """A verdict has been made."""
        self._waiting.append(tuple(outcomes))
        if not self._deferred:
            self.up_to(self._told + len(self._waiting))

    def up_to(self, verdicts: int) -> None:
        """Tell of the first verdicts of this process, so many in all."""
        while self._waiting and self._told < verdicts:
            self._told += 1
            for outcome in self._waiting.popleft():
                self._proposer.tell(outcome)
