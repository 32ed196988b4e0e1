"""The lab's side of the git remote: what workers need is put there, and their results are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import get_args

from lab_plugin.remote._order import Kind, TrialOrder, ref_of
from lab_plugin.remote._patience import Tell, patiently
from lab_plugin.repository import RefChange, Remote, Repository

_OPEN_SECONDS = 10.0
_WHEN = datetime(2020, 1, 1, tzinfo=UTC)
"""Of all commits that carry a tree: the same tree is the same commit, whoever makes it."""


def carrier(repository: Repository, tree: str) -> str:
    """The commit that carries a tree: no parents, so that it brings nothing else along."""
    return repository.commit(tree, (), "Carried between machines by prefect-lab", when=_WHEN)


class Depot:
    """Puts trees on a remote, and fetches results from it.

    Args:
        repository: The lab's.
        remote: The other one.
        lab: The lab's name.
        tell: Told when the remote is gone, and when it is back.
    """

    def __init__(self, repository: Repository, remote: Remote, lab: str, tell: Tell) -> None:
        self._repository = repository
        self._remote = remote
        self._lab = lab
        self._tell = tell
        self._there: dict[str, str] = {}
        # A candidate must not be removed between the look that it is there and the order for it.
        self._moving = asyncio.Lock()

    async def open(self, trees: Iterable[tuple[Kind, str]]) -> None:
        """Look at what is there; have these trees there, and no kit, scorer or data of another epoch.

        Raises:
            RemoteGone: The remote cannot be reached.
            RemoteError: It refuses.
        """
        await self.look()
        wanted = {ref_of(self._lab, kind, tree): tree for kind, tree in trees}
        stale = [
            ref
            for ref in self._there
            if ref not in wanted and PurePosixPath(ref).parent.name in ("kits", "scorers", "data")
        ]
        await self._move({**dict.fromkeys(stale), **wanted})

    async def look(self) -> None:
        """See what is there.

        Raises:
            RemoteGone: The remote cannot be reached.
            RemoteError: It refuses.
        """
        patterns = [f"refs/lab/{self._lab}/{kind}/*" for kind in get_args(Kind)]
        self._there = await patiently(lambda: self._remote.refs(*patterns), self._tell, _OPEN_SECONDS)

    @property
    def results(self) -> frozenset[str]:
        """Ids of the orders whose results were there when it was opened, or are known to be there."""
        prefix = ref_of(self._lab, "results", "")
        return frozenset(ref.removeprefix(prefix) for ref in self._there if ref.startswith(prefix))

    async def put(self, kind: Kind, tree: str) -> None:
        """Have a tree there."""
        await self._move({ref_of(self._lab, kind, tree): tree})

    async def take(self, order: TrialOrder) -> str | None:
        """Fetch the result of an order; its tree, or None while there is none."""
        ref = order.ref("results")
        if ref not in await patiently(lambda: self._remote.refs(ref), self._tell):
            return None
        await patiently(lambda: self._remote.fetch({ref: ref}), self._tell)
        commit = self._repository.ref(ref)
        if commit is None:
            return None
        self._repository.update_refs([RefChange(ref, None)])
        self._there[ref] = commit
        return self._repository.tree_of(commit)

    async def remove(self, refs: Iterable[str]) -> None:
        """Remove refs there; those that are gone already do not matter."""
        await self._move(dict.fromkeys(refs))

    async def clear(self, kinds: Iterable[Kind]) -> None:
        """Remove all of some kinds that is known to be there."""
        prefixes = tuple(ref_of(self._lab, kind, "") for kind in kinds)
        await self.remove([ref for ref in self._there if ref.startswith(prefixes)])

    async def _move(self, wanted: Mapping[str, str | None]) -> None:
        """Have trees at refs, and no refs where there is None."""
        async with self._moving:
            todo = {ref: tree for ref, tree in wanted.items() if (ref in self._there) != (tree is not None)}
            if not todo:
                return

            def push() -> None:
                self._remote.push(
                    [RefChange(ref, tree and carrier(self._repository, tree)) for ref, tree in todo.items()]
                )

            await patiently(push, self._tell)
            for ref, tree in todo.items():
                if tree is None:
                    self._there.pop(ref, None)
                else:
                    self._there[ref] = tree
