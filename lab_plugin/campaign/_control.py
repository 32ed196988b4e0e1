"""What the owner wishes while a campaign runs: nothing new starts, or an idea ends at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from lab_plugin.campaign._plan import Interrupted
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.queue import Phases, Wishes, WishStore, WishWatch

T = TypeVar("T")
POLL_SECONDS = 0.25
_log = logging.getLogger("prefect.lab")
_idea: ContextVar[int] = ContextVar("idea", default=0)


class Cancelled(Exception):
    """An idea was ended by its owner; the message is the reason for its verdict."""


class Followed(Protocol):
    """What a campaign does about wishes."""

    async def follow(self, wishes: Wishes) -> None:
        """Do what the owner wishes of ideas that are in no slot; called several times a second."""

    def wake(self) -> None:
        """Something is wished that was not: look again at what may start."""

    def stop(self, reason: str) -> None:
        """End everything."""


class Control:
    """Follows the queue's wishes, and ends or holds back what ideas do.

    Args:
        lab: The lab.

    Attributes:
        stop_reason: Why everything ends; empty while it does not.
    """

    def __init__(self, lab: Lab) -> None:
        self.stop_reason = ""
        self._watch = WishWatch(WishStore(lab.repository, lab.queue_ref))
        self._phases = Phases(lab.folder)
        self._cancelled: dict[int, str] = {}
        self._paused = ""
        self._changed = asyncio.Event()
        self._lab = lab
        self._campaign: Followed | None = None

    @property
    def wishes(self) -> Wishes:
        """The owner's last good wishes."""
        return self._watch.wishes

    @property
    def fault(self) -> str:
        """Why the wishes cannot be read; empty while they can."""
        return self._watch.fault

    @asynccontextmanager
    async def following(self, campaign: Followed) -> AsyncIterator[None]:
        """Look at the wishes, now and then several times a second, for as long as the context lasts."""
        self._phases.clear()
        self._campaign = campaign
        await self._look(campaign)
        ended = asyncio.Event()
        follower = asyncio.create_task(self._follow(campaign, ended))
        try:
            yield
        finally:
            # It may be writing a verdict, and ends after that.
            ended.set()
            await follower
            await self._forget()
            self._phases.clear()
            self._campaign = None

    def stop(self, reason: str) -> None:
        """End every step."""
        self.stop_reason = self.stop_reason or reason
        self._tell()

    def cancel(self, number: int, by: str = "the owner") -> None:
        """End an idea at once; nothing for one that has its verdict."""
        if number not in self._cancelled:
            self._cancelled[number] = by
            self._tell()

    def pause(self, reason: str) -> None:
        """Start nothing new for a reason besides the queue's wishes; "" goes on."""
        if reason != self._paused:
            self._paused = reason
            self._tell()

    def reason(self, number: int) -> str:
        """The reason for the verdict of an idea that its owner cancelled; empty for one that goes on."""
        if number not in self._cancelled:
            return ""
        return f"cancelled by {self._cancelled[number]} while {self._phases.of(number) or 'waiting'}"

    def holds(self, number: int = 0) -> bool:
        """Whether nothing new may start, at all or of an idea; what is to end may."""
        if self.stop_reason or number in self._cancelled:
            return False
        return bool(self._paused) or self.wishes.paused or number in self.wishes.held

    async def change(self, seconds: float | None = None) -> None:
        """Wait until something is wished that was not, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    # --- the gate of every program run -----------------------------------------------------------------

    @property
    def priority(self) -> int:
        """Of the idea that asks."""
        return self.wishes.priorities.get(_idea.get(), 0)

    @property
    def is_open(self) -> bool:
        """Whether the idea that asks may start a program."""
        return not self.holds(_idea.get())

    async def opened(self) -> None:
        """Wait until the idea that asks may start a program."""
        while not self.is_open:
            await self.change()

    def cancel_asking(self, by: str) -> None:
        """End the idea that asks, or the campaign where none does; the step that it is in is cancelled."""
        if number := _idea.get():
            self.cancel(number, by)
        else:
            self.stop(f"cancelled by {by}")

    # --- the steps of ideas ----------------------------------------------------------------------------

    async def step(self, number: int, phase: str, work: Coroutine[Any, Any, T]) -> T:
        """Do a step of an idea, or end it and everything that it started.

        Args:
            number: The idea's; 0 for what belongs to none.
            phase: What is done with it; empty to leave that as it is.
            work: The step.

        Raises:
            Interrupted: The campaign was stopped.
            Cancelled: The owner ended the idea.
        """
        if number in self._cancelled:
            work.close()
            raise Cancelled(self.reason(number))
        if number and phase:
            self._phases.enter(number, phase)
        token = _idea.set(number)
        step = asyncio.ensure_future(work)
        _idea.reset(token)
        try:
            while not step.done() and not (self.stop_reason or number in self._cancelled):
                change = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait((step, change), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    change.cancel()
            if step.done():
                return step.result()
            if number in self._cancelled:
                raise Cancelled(self.reason(number))
            raise Interrupted(f"{self.stop_reason}; the idea stays open, `lab run` goes on with it")
        finally:
            if not step.done():
                step.cancel()
                await asyncio.wait((step,))

    def rest(self, number: int) -> None:
        """An idea waits, and nothing is done with it; what is wished of it holds."""
        self._phases.leave(number)

    def leave(self, number: int) -> None:
        """An idea has its verdict, or is not under way any more."""
        self._phases.leave(number)
        self._cancelled.pop(number, None)

    async def _look(self, campaign: Followed) -> None:
        if self._watch.look():
            if self.fault:
                _log.error("%s", self.fault)
            for number in self.wishes.cancelled - self._lab.ledger.state().ideas.keys():
                self._cancelled.setdefault(number, "the owner")
            self._tell()
        try:
            await campaign.follow(self.wishes)
        except LabError as error:
            campaign.stop(error.message)

    async def _follow(self, campaign: Followed, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), POLL_SECONDS)
            await self._look(campaign)
            await self._forget()

    async def _forget(self) -> None:
        """Forget what was wished of ideas that have their verdict, also when a dead campaign gave it."""
        decided = self._lab.ledger.state().ideas
        wishes = self.wishes
        named = {*wishes.held, *wishes.cancelled, *wishes.added, *wishes.priorities}
        gone = [number for number in named if number in decided]
        if not gone or self.fault:
            return
        try:
            await asyncio.to_thread(self._watch.settle, gone)
        except LabError as error:
            _log.warning("What was wished of decided ideas stays in the queue: %s", error.message)

    def _tell(self) -> None:
        """Wake all who wait, and have those who come later wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()
        if self._campaign is not None:
            self._campaign.wake()
