"""The lab held in all clones: nobody else writes verdicts, and what is written here is published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lab_plugin.errors import LabError, LeaseHeld, RefConflict, RemoteError, RemoteGone
from lab_plugin.events import Event, Notice, publish, subscribed
from lab_plugin.lab import Lab
from lab_plugin.repository import HEARTBEAT_SECONDS, Lease, RefChange
from lab_plugin.sharing._acquire import Acquisition
from lab_plugin.sharing._clone import Clone, clone_of
from lab_plugin.sharing._hold import Hold
from lab_plugin.sharing._names import HEARTBEAT, LEASE
from lab_plugin.sharing._standing import unpublished
from lab_plugin.sharing._transfer import Transfer

PACE_SECONDS = 1.0
"""There are at least so many seconds between two pushes; verdicts that come meanwhile go together."""
LOOK_SECONDS = 10.0
"""So often a campaign looks at what others wish at the remote."""
FINAL_SECONDS = 20.0
"""So long the end waits for a remote that is gone; a worker kills what it cancels after 30 s."""
_LONGEST_PAUSE = 20.0


class Held:
    """The lab, held.

    Attributes:
        lease: The local lease.
    """

    def __init__(self, lease: Lease, publisher: Publisher | None = None) -> None:
        self.lease = lease
        self._publisher = publisher

    def on_loss(self, stop: Callable[[str], None]) -> None:
        """Call a function with the reason as soon as the lease at the remote is lost."""
        if self._publisher is not None:
            self._publisher.on_loss(stop)


@asynccontextmanager
async def held(lab: Lab, purpose: str) -> AsyncIterator[Held]:
    """Hold the lab for as long as the context lasts: in this clone, and at the git remote if there is one.

    What the remote has is taken in first. What is written here is published in the background, and before
    the context ends.

    Args:
        lab: The lab.
        purpose: What for, for the person who is told that it is held.

    Raises:
        LeaseHeld: A living process holds it, here or in another clone; or, at the end, it was lost meanwhile.
        LedgersDiverged: This clone and the remote both have records that the other lacks.
        RemoteGone: The remote cannot be reached at the beginning.
        RemoteError: It refuses at the beginning.
    """
    clone = clone_of(lab)
    with Lease.acquire(lab.repository, lab.lease_ref, purpose) as lease:
        if clone is None:
            yield Held(lease)
            return
        await asyncio.to_thread(Transfer(clone).take_in)
        hold = await Acquisition(clone, lease).take()
        try:
            publisher = Publisher(clone, hold)
            try:
                await asyncio.to_thread(publisher.begin)
            except BaseException:
                await asyncio.to_thread(give_back, hold)
                raise
            async with publisher.running():
                yield Held(lease, publisher)
        finally:
            hold.leave()


class Publisher:
    """Publishes what is written here, in the background, and keeps the heartbeat moving.

    Args:
        clone: This clone.
        hold: The lease at the remote.
    """

    def __init__(self, clone: Clone, hold: Hold) -> None:
        self._clone = clone
        self._hold = hold
        self._transfer = Transfer(clone, hold, claims=True)
        self._lost: LeaseHeld | None = None
        self._stop: Callable[[str], None] | None = None
        self._told = ""
        self._news = asyncio.Event()
        self._looked = self._beat = 0.0
        self._is_gone = False

    def begin(self) -> None:
        """Take in what came before the lease was taken, and publish what this clone has besides."""
        # No number is in hand yet.
        transfer = Transfer(self._clone, self._hold)
        transfer.take_in()
        transfer.publish()
        self._looked = self._beat = time.monotonic()

    def on_loss(self, stop: Callable[[str], None]) -> None:
        """Call a function with the reason as soon as the lease is lost."""
        self._stop = stop
        if self._lost is not None:
            stop(self._lost.message)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish for as long as the context lasts; leaving publishes the rest and gives the lease back.

        Raises:
            LeaseHeld: It was lost.
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def tell(event: Event) -> None:
            loop.call_soon_threadsafe(self._news.set)

        with subscribed(tell):
            worker = asyncio.create_task(self._work(ended))
            try:
                yield
            except BaseException:
                await self._leave(worker, ended)
                raise
            await self._leave(worker, ended)
        if self._lost is not None:
            raise LeaseHeld(f"{self._lost.message} {self._left()}".strip(), self._lost.remedy)

    async def _leave(self, worker: asyncio.Task[None], ended: asyncio.Event) -> None:
        ended.set()
        self._news.set()
        await worker
        if self._lost is None:
            await self._finish()

    async def _work(self, ended: asyncio.Event) -> None:
        pause = PACE_SECONDS
        while not ended.is_set() and self._lost is None:
            self._news.clear()
            fine = await self._attempt(self._round)
            pause = PACE_SECONDS if fine else min(pause * 2, _LONGEST_PAUSE)
            await _wait(ended, pause)
            if fine and not ended.is_set():
                due = min(self._looked + LOOK_SECONDS, self._beat + HEARTBEAT_SECONDS) - time.monotonic()
                await _wait(self._news, max(0.0, due))

    async def _finish(self) -> None:
        deadline, pause = time.monotonic() + FINAL_SECONDS, PACE_SECONDS
        while not await self._attempt(self._transfer.publish) and self._lost is None:
            if time.monotonic() + pause > deadline or not self._is_gone:
                if left := self._left():
                    publish(Notice(left))
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        if self._lost is None and not self._is_gone:
            await asyncio.to_thread(give_back, self._hold)

    def _round(self) -> None:
        now = time.monotonic()
        self._transfer.publish(beats=now - self._beat >= HEARTBEAT_SECONDS)
        if now - self._looked >= LOOK_SECONDS:
            self._transfer.take_in()
            self._looked = now

    async def _attempt(self, work: Callable[[], None]) -> bool:
        """Do something with the remote; says once when it fails, and once when it does again."""
        before = self._hold.beat
        try:
            await asyncio.to_thread(work)
        except LeaseHeld as error:
            self._lost = error
            if self._stop is not None:
                self._stop(error.message)
            return False
        except LabError as error:
            self._tell(error)
            return False
        except OSError as error:
            # A full disk, say: the campaign meets it by itself.
            self._tell(LabError(f"Nothing can be published: {error}."))
            return False
        if self._hold.beat != before:
            self._beat = time.monotonic()
        self._is_gone = False
        if self._told:
            self._told = ""
            publish(Notice(f"The git remote {self._clone.target.shown} has all verdicts again."))
        return True

    def _tell(self, error: LabError) -> None:
        self._is_gone = isinstance(error, RemoteGone)
        kind = type(error).__name__
        if kind != self._told:
            self._told = kind
            goes_on = "The campaign goes on, and what it decides is published later."
            publish(Notice(f"{error.message} {goes_on} {error.remedy}".strip()))

    def _left(self) -> str:
        """What is not published, in a sentence."""
        return unpublished(self._clone)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def give_back(hold: Hold) -> None:
    """Give the lease at the remote back; one that was lost, or cannot be reached, is left to expire."""
    names, repository = hold.clone.names, hold.clone.lab.repository
    try:
        hold.clone.target.push(
            [
                RefChange(names.ref(LEASE), None, hold.lease.oid),
                RefChange(names.ref(HEARTBEAT), None, hold.beat),
            ]
        )
        repository.update_refs(RefChange(names.incoming + path, None) for path in (LEASE, HEARTBEAT))
    except (RemoteError, RefConflict):
        return
