"""Taking the lease at the git remote, also from a holder that is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lab_plugin.errors import LeaseHeld, RefConflict, RemoteGone
from lab_plugin.events import Notice, publish
from lab_plugin.repository import EXPIRY_SECONDS, Holder, Lease, RefChange, held_by, read_holder
from lab_plugin.sharing._clone import Clone
from lab_plugin.sharing._hold import Hold, token_of, was_left
from lab_plugin.sharing._names import HEARTBEAT, LEASE
from lab_plugin.sharing._sighting import Sighting

_LOOK_SECONDS = 5.0
_TRIES = 20


@dataclass(frozen=True)
class _Found:
    """The lease at the remote, as it was just looked at."""

    lease: str
    beat: str
    holder: Holder | None


class Acquisition:
    """Takes the lease at the remote.

    Args:
        clone: This clone.
        lease: The local lease, held.
        sighting: Remembers a foreign heartbeat.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        clone: Clone,
        lease: Lease,
        sighting: Sighting | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clone = clone
        self._lease = lease
        self._sighting = sighting or Sighting(clone.lab.folder / "sighting.json")
        self._sleep = sleep
        self._first: _Found | None = None

    async def take(self) -> Hold:
        """Take it as soon as it is free, or its holder is known to be dead.

        A holder on another machine is watched: when its heartbeat moves, it lives; when it stays where it is
        for `EXPIRY_SECONDS`, it is dead.

        Raises:
            LeaseHeld: A living process holds it.
            RemoteGone: The remote cannot be reached.
            RemoteError: It refuses.
        """
        tries = 0
        while tries < _TRIES:
            found = await asyncio.to_thread(self._look)
            if self._is_mine(found):
                return Hold(self._clone, self._lease, found.beat)
            if found.lease and not self._is_dead(found):
                await self._sleep(_LOOK_SECONDS)
                continue
            tries += 1
            try:
                return await asyncio.to_thread(self._push, found)
            except RefConflict:
                continue
            except RemoteGone:
                # It may have arrived all the same.
                if self._is_mine(again := await asyncio.to_thread(self._look)):
                    return Hold(self._clone, self._lease, again.beat)
                raise
        raise LeaseHeld("The lease at the git remote keeps changing hands.", "Run again in a moment.")

    def _look(self) -> _Found:
        repository, incoming = self._clone.lab.repository, self._clone.names.incoming
        with self._clone.alone():
            self._clone.fetch()
            lease = repository.ref(incoming + LEASE)
            beat = repository.ref(incoming + HEARTBEAT)
            return _Found(lease or "", beat or "", read_holder(repository, lease))

    def _is_mine(self, found: _Found) -> bool:
        token = token_of(self._clone.lab.repository, found.beat)
        return found.lease == self._lease.oid and token == self._lease.owner.token

    def _is_dead(self, found: _Found) -> bool:
        """Whether the holder is dead; False while that is open.

        Raises:
            LeaseHeld: It lives.
        """
        if found.holder is not None and found.holder.is_here:
            if found.holder.lives(None) and not was_left(found.holder):
                raise self._held(found.holder)
            return True
        still = self._sighting.still(found.lease, found.beat)
        if still >= EXPIRY_SECONDS:
            return True
        if self._first is None or self._first.lease != found.lease:
            self._first = found
            who = found.holder.describe() if found.holder is not None else "a process that cannot be read"
            publish(
                Notice(
                    f"By {self._clone.source.shown} the lab is held by {who}; watching for at most "
                    f"{EXPIRY_SECONDS - still:.0f} s whether that lives."
                )
            )
        elif self._first.beat != found.beat and found.holder is not None:
            raise self._held(found.holder)
        return False

    def _held(self, by: Holder) -> LeaseHeld:
        error = held_by(by)
        return LeaseHeld(f"{error.message} It works in another clone.", error.remedy)

    def _push(self, found: _Found) -> Hold:
        names = self._clone.names
        hold = Hold(self._clone, self._lease, found.beat)
        beat = hold.next_beat()
        self._clone.target.push([RefChange(names.ref(LEASE), self._lease.oid, found.lease), beat])
        hold.beat = beat.new or ""
        return hold
