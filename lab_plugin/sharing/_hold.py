"""The lease at the git remote: one campaign at a time over all clones.

It is the local lease's own blob under the same name, and a heartbeat beside it. Whoever publishes moves the
heartbeat in the same transaction, from where this process left it: one that lost the lease can publish
nothing any more.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from lab_plugin.errors import LeaseHeld, RepositoryError
from lab_plugin.repository import Holder, Lease, RefChange, Repository, read_holder
from lab_plugin.sharing._clone import Clone
from lab_plugin.sharing._names import HEARTBEAT, LEASE

_LARGEST = 64 << 10
_tokens: set[str] = set()


@dataclass
class Hold:
    """The lease at the remote, held by this process.

    Attributes:
        clone: This clone.
        lease: The local one.
        beat: Where the heartbeat was left; "" before the first.
    """

    clone: Clone
    lease: Lease
    beat: str = ""

    def __post_init__(self) -> None:
        _tokens.add(self.lease.owner.token)

    def leave(self) -> None:
        """Hold it no more, also where the remote cannot be told."""
        _tokens.discard(self.lease.owner.token)

    def next_beat(self) -> RefChange:
        """What moves the heartbeat on."""
        return RefChange(self.clone.names.ref(HEARTBEAT), write_beat(self.clone, self.lease.owner), self.beat)

    def require(self) -> None:
        """See that the remote, as it was last looked at, still says that this process holds the lease.

        Raises:
            LeaseHeld: It does not.
        """
        repository, incoming = self.clone.lab.repository, self.clone.names.incoming
        found, beat = repository.ref(incoming + LEASE), repository.ref(incoming + HEARTBEAT)
        if found != self.lease.oid or token_of(repository, beat) != self.lease.owner.token:
            raise self._lost(read_holder(repository, found))
        # A push whose answer was lost has moved it.
        self.beat = beat or ""

    def _lost(self, other: Holder | None) -> LeaseHeld:
        who = f"by {other.describe()}" if other is not None else "by somebody who gave it back since"
        return LeaseHeld(
            f"The lab was taken over at {self.clone.target.shown} {who}: this process did not reach it for "
            "too long.",
            "What it has not published stays in this clone; `lab sync` says what that is, and what to do.",
        )


def was_left(holder: Holder) -> bool:
    """Whether a holder is this process, which could not tell the remote that it let go."""
    return holder.pid == os.getpid() and holder.token not in _tokens


def write_beat(clone: Clone, owner: Holder) -> str:
    """A new blob for the heartbeat: another one every time, and no clock is read from it."""
    beat = {"beat": os.urandom(8).hex(), "token": owner.token}
    return clone.lab.repository.write_blob(json.dumps(beat, sort_keys=True).encode())


def token_of(repository: Repository, oid: str | None) -> str:
    """Whose heartbeat a blob is; "" for a damaged one."""
    if oid is None:
        return ""
    try:
        found = json.loads(repository.read_blob(oid, _LARGEST))["token"]
    except (RepositoryError, ValueError, TypeError, KeyError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""
