"""The refs of a lab as one clone has them, and as it last saw those of the git remote."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from lab_plugin.lab import Lab
from lab_plugin.ledger import State
from lab_plugin.repository import Remote, holder
from lab_plugin.sharing._names import BEST, Names, known


@dataclass(frozen=True)
class Seen:
    """The shared refs at one moment; each a mapping of a path to an object id.

    Attributes:
        ours: Here.
        base: At the remote when it was last taken in.
        theirs: At the remote when it was last looked at.
        tip: The ledger here, from before the refs were read: what is missing beside it may follow from later
            records.
        state: What the ledger says there.
    """

    ours: Mapping[str, str]
    base: Mapping[str, str]
    theirs: Mapping[str, str]
    tip: str | None
    state: State


class Clone:
    """One clone of a lab that is shared through a git remote.

    Args:
        lab: The lab; its `[lab] remote` is set.
    """

    def __init__(self, lab: Lab) -> None:
        assert lab.config.lab.remote is not None
        self.lab = lab
        self.names = Names(lab.name)
        self.name = lab.config.lab.remote

    @cached_property
    def source(self) -> Remote:
        """Where refs are fetched from."""
        return self.lab.repository.remote(self.name, base=self.lab.config.folder)

    @cached_property
    def target(self) -> Remote:
        """Where refs are pushed to."""
        return self.lab.repository.remote(self.name, push=True, base=self.lab.config.folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from sharing this clone's refs meanwhile."""
        self.lab.folder.mkdir(parents=True, exist_ok=True)
        with (self.lab.folder / "sharing.lock").open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def fetch(self) -> None:
        """Look at the remote: note its refs, and bring their objects.

        Raises:
            RemoteGone: It cannot be reached.
            RemoteError: It refuses.
        """
        self.source.fetch(self.names.fetched(), prune=True)

    def look(self) -> Seen:
        """The refs as they are now."""
        tip, state = self.lab.ledger.tip()
        ours: dict[str, str] = {}
        base: dict[str, str] = {}
        theirs: dict[str, str] = {}
        for ref, oid in self.lab.repository.refs(self.names.own).items():
            for prefix, found in (
                (self.names.shared, base),
                (self.names.incoming, theirs),
                (self.names.own, ours),
            ):
                if ref.startswith(prefix):
                    if known(path := ref.removeprefix(prefix)):
                        found[path] = oid
                    break
        if (best := self.lab.repository.ref(self.lab.best_ref)) is not None:
            ours[BEST] = best
        return Seen(ours, base, theirs, tip, state)

    @property
    def was_seen(self) -> bool:
        """Whether the remote was ever looked at from here."""
        return bool(
            self.lab.repository.refs(self.names.incoming) or self.lab.repository.refs(self.names.shared)
        )

    @property
    def is_busy(self) -> bool:
        """Whether a living process holds this clone's lease; it shares what is written here."""
        return holder(self.lab.repository, self.lab.lease_ref) is not None


def clone_of(lab: Lab) -> Clone | None:
    """The clone of a lab that is shared; None for a lab without `[lab] remote`."""
    return None if lab.config.lab.remote is None else Clone(lab)
