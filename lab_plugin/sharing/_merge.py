"""What changes here when the git remote's refs are taken in: three-way, and never a verdict away."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from lab_plugin.errors import LabError, LedgerError, LedgersDiverged, RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import require_branches
from lab_plugin.ledger import Entry, VerdictRecord
from lab_plugin.queue import Wishes, WishStore, read_next
from lab_plugin.repository import RefChange
from lab_plugin.sharing._clone import Clone, Seen
from lab_plugin.sharing._names import BEST, HEARTBEAT, LEASE, LEDGER, LOOKS, NUMBERS, OPEN, QUEUE, number_of


@dataclass
class Merge:
    """How to take the remote's refs in.

    Attributes:
        changes: Of refs here, in one transaction.
        records: Records that are new here.
        mine: Paths of open ideas of this clone whose numbers others have published first.
        others: Paths of open ideas at the remote whose numbers this clone has given out already.
    """

    changes: list[RefChange] = field(default_factory=list)
    records: list[Entry] = field(default_factory=list)
    mine: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def plan_merge(
    clone: Clone, seen: Seen, *, holds: bool, claims: bool = False, renumbered: Set[str] = frozenset()
) -> Merge:
    """Plan how to take in what was seen.

    Args:
        clone: This clone.
        seen: The refs.
        holds: This process holds the lease at the remote: nobody else closes ideas.
        claims: It has numbers of ideas in hand that no ref tells of yet.
        renumbered: Paths of open ideas at the remote that have their numbers from this process.

    Raises:
        LedgersDiverged: Both sides have records that the other lacks.
        RepositoryError: A branch here is in the way.
        LabError: The wishes at the remote cannot be read.
    """
    return _Planner(clone, seen, holds, claims, renumbered).plan()


class _Planner:
    def __init__(self, clone: Clone, seen: Seen, holds: bool, claims: bool, renumbered: Set[str]) -> None:
        self._clone, self._seen = clone, seen
        # Of another remote, or of one that was set back, nothing is gone by what it lacks.
        self._base = seen.base if _goes_on(clone, seen) else {}
        self._holds, self._claims, self._renumbered = holds, claims, renumbered
        self._merge = Merge()
        self._state = seen.state

    def plan(self) -> Merge:
        seen = self._seen
        self._take_ledger()
        self._take_ideas()
        for path in sorted({*seen.ours, *seen.theirs}):
            if path.startswith(LOOKS):
                self._take(path, None if number_of(path) in self._state.ideas else self._either(path))
        self._take(QUEUE, self._queue())
        self._take(NUMBERS, self._numbers())
        for path in {*seen.base, *seen.theirs} - {LEASE, HEARTBEAT}:
            now, before = seen.theirs.get(path), seen.base.get(path)
            if now != before:
                self._merge.changes.append(RefChange(self._clone.names.shared + path, now, before or ""))
        return self._merge

    def _take(self, path: str, oid: str | None) -> None:
        before = self._seen.ours.get(path)
        if oid != before:
            self._merge.changes.append(RefChange(self._clone.names.ref(path), oid, before or ""))

    def _either(self, path: str) -> str | None:
        """Whichever side changed; ours where both did."""
        ours, base, theirs = self._three(path)
        return theirs if ours == base else ours

    def _three(self, path: str) -> tuple[str | None, str | None, str | None]:
        return self._seen.ours.get(path), self._base.get(path), self._seen.theirs.get(path)

    # --- the ledger ------------------------------------------------------------------------------------

    def _take_ledger(self) -> None:
        lab, ours, theirs = self._clone.lab, self._seen.tip, self._seen.theirs.get(LEDGER)
        if theirs is None or theirs == ours:
            return
        if ours is not None:
            if lab.repository.is_ancestor(theirs, ours):
                return
            if not lab.repository.is_ancestor(ours, theirs):
                raise diverged(self._clone, ours, theirs)
        # First, because all else can be derived from it.
        self._merge.changes.append(RefChange(lab.ledger.ref, theirs, ours or ""))
        self._state, self._merge.records = lab.ledger.ahead(theirs)
        self._merge.changes += new_branches(lab, self._merge.records)
        self._take_best()

    def _take_best(self) -> None:
        lab, before, after = self._clone.lab, self._seen.state.champion, self._state.champion
        found = self._seen.ours.get(BEST)
        # Where it is at something else, `Lab.mend` says so.
        if after is not None and found != after.commit and found in (None, before and before.commit):
            require_branches(lab)
            self._take(BEST, after.commit)

    # --- open ideas ------------------------------------------------------------------------------------

    def _take_ideas(self) -> None:
        seen = self._seen
        ours = {number_of(path): path for path in seen.ours if path.startswith(OPEN)}
        for path in sorted({*seen.ours, *seen.theirs}):
            if not path.startswith(OPEN):
                continue
            number, taken = number_of(path), self._either(path)
            verdict = self._state.ideas.get(number)
            if verdict is not None and _name(verdict) == path.removeprefix(OPEN):
                self._take(path, None)
            elif path in seen.ours and path not in self._base and path not in seen.theirs:
                if verdict is not None or self._is_elsewhere(path, number):
                    self._merge.mine.append(path)
            elif taken is None or path in seen.ours or path in self._base:
                self._take(path, taken)
            elif self._holds and (verdict is not None or number in ours or self._is_claimed(path)):
                self._merge.others.append(path)
            else:
                self._take(path, taken)

    def _is_elsewhere(self, path: str, number: int) -> bool:
        """Whether the remote has another open idea of the same number."""
        if self._holds:
            return False
        return any(
            other != path and other.startswith(OPEN) and number_of(other) == number
            for other in self._seen.theirs
        )

    def _is_claimed(self, path: str) -> bool:
        """Whether this process may have the number in hand: it took it after it last told the remote."""
        if not self._claims or path in self._renumbered:
            return False
        number = number_of(path)
        repository = self._clone.lab.repository
        told = read_next(repository, self._base.get(NUMBERS))
        return told <= number < read_next(repository, self._seen.ours.get(NUMBERS))

    # --- the queue -------------------------------------------------------------------------------------

    def _queue(self) -> str | None:
        ours, base, theirs = self._three(QUEUE)
        if theirs in (ours, base) or ours == base:
            return self._either(QUEUE)
        lab = self._clone.lab
        store = WishStore(lab.repository, lab.queue_ref)
        try:
            found = store.read(theirs or "")
        except LabError as error:
            raise LabError(
                f"The queue's wishes at {self._clone.source.shown} cannot be read: {error.message}",
                f"Remove them there: git push {self._clone.name} :{lab.queue_ref}",
            ) from None
        merged = store.read(ours or "").merged(_readable(store, base), found)
        return lab.repository.write_blob(merged.encode()) if merged else None

    def _numbers(self) -> str | None:
        ours, base, theirs = self._three(NUMBERS)
        if theirs in (ours, base) or ours == base:
            return self._either(NUMBERS)
        repository = self._clone.lab.repository
        highest = max(read_next(repository, ours), read_next(repository, theirs))
        return repository.write_blob(json.dumps({"next": highest}).encode()) if highest else None


def _goes_on(clone: Clone, seen: Seen) -> bool:
    """Whether the remote's ledger is the one that was taken in last, or comes after it."""
    before, now = seen.base.get(LEDGER), seen.theirs.get(LEDGER)
    return (
        before == now or before is None or (now is not None and clone.lab.repository.is_ancestor(before, now))
    )


def _readable(store: WishStore, version: str | None) -> Wishes:
    try:
        return store.read(version or "")
    except LabError:
        return Wishes()


def _name(verdict: VerdictRecord) -> str:
    return verdict.branch.rpartition("/")[2]


def new_branches(lab: Lab, records: Sequence[Entry]) -> list[RefChange]:
    """What makes the branches of ideas whose verdicts are new here.

    Raises:
        LedgerError: A record names a branch that is none of the lab's ideas.
        RepositoryError: A branch of that name is at another commit.
    """
    changes = []
    for entry in records:
        record = entry.record
        if not isinstance(record, VerdictRecord):
            continue
        if not record.branch.startswith(lab.branch("")):
            raise LedgerError(
                f"By the git remote's ledger, idea {record.number} has the branch {record.branch}."
            )
        ref = f"refs/heads/{record.branch}"
        found = lab.repository.ref(ref)
        if found is None:
            changes.append(RefChange(ref, record.commit, ""))
        elif found != record.commit:
            raise RepositoryError(
                f"The branch {record.branch} is in the way: by the git remote's ledger it is at "
                f"{record.commit[:12]}, here it is at {found[:12]}.",
                f"Rename it: git branch -m {record.branch} another-name",
            )
    return changes


def diverged(clone: Clone, ours: str, theirs: str) -> LedgersDiverged:
    """The error that names both tips."""
    lab, name = clone.lab.name, clone.source.shown
    return LedgersDiverged(
        f"The ledger of the lab {lab} here and the one at {name} have each gone their own way: here it is at "
        f"{ours[:12]}, there at {theirs[:12]}. Nothing was changed on either side.",
        "`lab sync --aside` keeps what this clone alone has under another ref, and goes on with what the "
        f"remote has. To compare: git log {ours[:12]}...{theirs[:12]}",
    )
