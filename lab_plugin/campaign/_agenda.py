"""Who is next in a campaign, and when no new idea starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from lab_plugin.ledger import Champion
from lab_plugin.scheduling import Line, Schedule


@dataclass(frozen=True)
class Grant:
    """What a new idea starts from, where the order of results is fixed.

    Attributes:
        champion: Its parent.
        told: What its proposer knows, counted from the start of this process.
    """

    champion: Champion
    told: int


class Agenda:
    """Gives out numbers of ideas: those that are open, and new ones as long as the budget lasts.

    Args:
        schedule: All ideas without a verdict, and who of them is next.
        line: The order of results, where it is fixed; that of the schedule.
        new_number: Makes the number of a new idea.
        exhausted: Says why no further idea may start, given those in flight; None while one may.
        champion: The champion of the moment.
        told: How much there is by now that a proposer may be told.

    Attributes:
        schedule: The same.
        ending: Why no new idea starts; "" while one may.
    """

    def __init__(
        self,
        schedule: Schedule,
        line: Line | None,
        new_number: Callable[[], int],
        exhausted: Callable[[Collection[int]], str | None],
        champion: Callable[[], Champion],
        told: Callable[[], int],
    ) -> None:
        self.schedule = schedule
        self.ending = ""
        self._line = line
        self._new_number = new_number
        self._exhausted = exhausted
        self._champion = champion
        self._told = told
        self._changed = asyncio.Event()
        self._only_open = ""
        self._grants: dict[int, Grant] = {}

    @property
    def fixed(self) -> bool:
        """Whether the order of results is fixed."""
        return self._line is not None

    @property
    def finished(self) -> bool:
        """Whether no new idea starts, and none is in flight."""
        return bool(self.ending) and not self.schedule.in_flight

    def only_open(self, ending: str) -> None:
        """Make no new ideas; the campaign ends with those that are offered.

        Args:
            ending: Why it ended, then.
        """
        self._only_open = ending

    def next_number(self) -> int | None:
        """The number of the idea that is next; None when none can start now.

        The budget is checked here, before anything is spent; ideas in flight count as spent.
        """
        if not self.ending and not self._only_open and (reason := self._exhausted(self.schedule.in_flight)):
            self.ending = reason
        visit = self.schedule.take(fresh=not self.ending)
        if visit is None and self._only_open:
            self.ending = self._only_open
        if visit is None and not self.ending and not self.fixed:
            self.schedule.offer(self._new_number())
            visit = self.schedule.take()
        return visit.number if visit is not None else None

    def grant(self) -> None:
        """Let new ideas into the line, where the order of results is fixed; when a result has counted."""
        while self.fixed and not self._only_open and not self.ending and self.schedule.room:
            if reason := self._exhausted(self.schedule.in_flight):
                self.ending = reason
                return
            number = self._new_number()
            self._grants[number] = Grant(self._champion(), self._told())
            self.schedule.offer(number, started=True)

    def grant_of(self, number: int) -> Grant | None:
        """What a new idea starts from; None where it starts from the champion of the moment."""
        return self._grants.get(number)

    async def turn_to_ask(self, number: int) -> None:
        """Wait until the proposer has answered for all ideas that were granted before this one."""
        await self.until(lambda: next(iter(self._grants)) == number)

    def asked(self, number: int) -> None:
        """The proposer has answered for an idea."""
        self._grants.pop(number, None)
        self.touch()

    def exhaust(self, number: int, reason: str) -> None:
        """The proposer has nothing left to try; an idea that it was asked for comes to nothing."""
        self._grants.pop(number, None)
        self.schedule.withdraw(number)
        self.ending = reason
        self.touch()

    def decided(self, number: int, word: str) -> None:
        """An idea has its verdict."""
        self.schedule.decided(number, word)

    def counted(self) -> None:
        """A result or a verdict has counted, with all that follows from it."""
        self.grant()
        self.touch()

    def touch(self) -> None:
        """Wake all who wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def change(self) -> asyncio.Event:
        """Set when something changes; to be taken before looking at what may change."""
        return self._changed

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that a change can bring about."""
        while True:
            change = self.change()
            if holds():
                return
            await change.wait()
