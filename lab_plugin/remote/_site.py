"""A worker's side of a git remote: what was fetched stays, so that a warm worker fetches one commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from lab_plugin.errors import RefConflict
from lab_plugin.home import Home
from lab_plugin.remote._cache import Cache
from lab_plugin.remote._depot import carrier
from lab_plugin.remote._order import TrialOrder
from lab_plugin.remote._patience import Tell, patiently
from lab_plugin.repository import RefChange, Remote, Repository

REMOTE_VARIABLE = "PREFECT_LAB_REMOTE"
"""On a worker: the address of the git remote, where it is another one than the lab's owner sees."""

_FETCH_SECONDS, _PUSH_SECONDS = 300.0, 3600.0


class Site:
    """The cache of one remote on this machine; one for all labs and all processes of a user.

    Args:
        home: The user's state folder.
        address: Of the remote.
        tell: Told when the remote is gone.

    Attributes:
        folder: Holds all of it.
        repository: What was fetched.
    """

    def __init__(self, home: Home, address: str, tell: Tell) -> None:
        name = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._cache = Cache(home.root / "remotes" / name)
        self.folder = self._cache.folder
        with self._cache.alone("init"):
            self.repository = Repository.bare(self.folder / "cache.git")
        self._remote: Remote = self.repository.remote(address)
        self._tell = tell

    async def fetch(self, refs: Sequence[str]) -> None:
        """Have refs here; those that are here are not asked for.

        Raises:
            RemoteGone: The remote cannot be reached for minutes.
            RemoteError: It refuses, or lacks one.
        """

        def fetch() -> None:
            # Two processes that fetch the same ref would stand in each other's way.
            with self._cache.alone("fetch"):
                self._remote.fetch({ref: ref for ref in refs if self.repository.ref(ref) is None})

        if any(self.repository.ref(ref) is None for ref in refs):
            await patiently(fetch, self._tell, _FETCH_SECONDS)

    async def is_answered(self, order: TrialOrder) -> bool:
        """Whether an order has its result already."""
        ref = order.ref("results")
        return ref in await patiently(lambda: self._remote.refs(ref), self._tell, _FETCH_SECONDS)

    async def deliver(self, order: TrialOrder, tree: str) -> bool:
        """Put the result of an order on the remote; False where another one was there first.

        Raises:
            RemoteGone: The remote cannot be reached for an hour.
            RemoteError: It refuses.
        """
        ref, commit = order.ref("results"), carrier(self.repository, tree)
        try:
            await patiently(
                lambda: self._remote.push([RefChange(ref, commit, "")]), self._tell, _PUSH_SECONDS
            )
        except RefConflict:
            there = await patiently(lambda: self._remote.refs(ref), self._tell, _FETCH_SECONDS)
            # The answer to a push that was done may have been lost.
            return there.get(ref) == commit
        return True

    def close(self) -> None:
        """End helper processes, and let go of the cache."""
        self.repository.close()
        self._cache.close()


def address_for(order: TrialOrder) -> str:
    """The address by which this machine reaches an order's remote."""
    return os.environ.get(REMOTE_VARIABLE) or order.remote
