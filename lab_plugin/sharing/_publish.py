"""What moves at the git remote when this clone publishes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab_plugin.ledger import Entry, VerdictRecord
from lab_plugin.repository import RefChange
from lab_plugin.sharing._clone import Clone, Seen
from lab_plugin.sharing._names import BEST, LEDGER, LOOKS, NUMBERS, OPEN, POINTS, QUEUE, number_of
from lab_plugin.sharing._points import further_points

_MOST_BRANCHES = 300


@dataclass(frozen=True)
class Push:
    """One transaction at the remote.

    Attributes:
        changes: Path -> where it moves; None for away.
        branches: Of ideas whose verdicts go with it.
    """

    changes: dict[str, str | None]
    branches: tuple[RefChange, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything moves."""
        return bool(self.changes)

    def refs(self, clone: Clone, seen: Seen) -> list[RefChange]:
        """As `Remote.push` takes it: each from where it was last taken in."""
        moved = [
            RefChange(clone.names.ref(path), oid, seen.base.get(path, ""))
            for path, oid in self.changes.items()
        ]
        return [*moved, *self.branches]


def plan_push(clone: Clone, seen: Seen, *, holds: bool) -> Push:
    """Plan the next transaction; empty when the remote has all that this clone may publish.

    Verdicts, and what follows from them, are published by the holder of the remote's lease alone. A long
    history goes in several transactions, each with the ledger as it once was.

    Args:
        clone: This clone.
        seen: The refs; what the remote has was taken in.
        holds: Whether this process holds the lease there.
    """
    if holds and seen.tip is not None and seen.base.get(LEDGER) != seen.tip:
        new = _new_records(clone, seen)
        verdicts = [entry for entry in new if isinstance(entry.record, VerdictRecord)]
        if len(verdicts) > _MOST_BRANCHES:
            last = verdicts[_MOST_BRANCHES - 1]
            return Push({LEDGER: last.commit}, _branches(clone, verdicts[:_MOST_BRANCHES]))
        return Push({**_rest(clone, seen, holds), LEDGER: seen.tip}, _branches(clone, verdicts))
    return Push(_rest(clone, seen, holds))


def _new_records(clone: Clone, seen: Seen) -> list[Entry]:
    """The records that the remote lacks, up to the tip that was seen; oldest first."""
    records, told = clone.lab.ledger.records(), seen.base.get(LEDGER)
    found: list[Entry] = []
    for entry in reversed(records):
        if entry.commit == seen.tip:
            # What came after the tip is for the next time.
            found.clear()
        if entry.commit == told:
            break
        found.append(entry)
    return found[::-1]


def _branches(clone: Clone, verdicts: Sequence[Entry]) -> tuple[RefChange, ...]:
    branches = []
    for entry in verdicts:
        assert isinstance(entry.record, VerdictRecord)
        ref = f"refs/heads/{entry.record.branch}"
        # One that was cleaned away here is not made there either.
        if clone.lab.repository.ref(ref) == entry.record.commit:
            branches.append(RefChange(ref, entry.record.commit, ""))
    return tuple(branches)


def _rest(clone: Clone, seen: Seen, holds: bool) -> dict[str, str | None]:
    wanted: dict[str, str | None] = {path: seen.ours.get(path) for path in (QUEUE, NUMBERS)}
    wanted |= dict(_ideas(clone, seen, holds))
    if holds:
        wanted |= dict(_looks(seen))
        champion = seen.state.champion
        wanted[BEST] = champion.commit if champion is not None else seen.base.get(BEST)
    return {path: oid for path, oid in wanted.items() if oid != seen.base.get(path)}


def _ideas(clone: Clone, seen: Seen, holds: bool) -> Iterator[tuple[str, str | None]]:
    """Open ideas: one goes away with its verdict, and never without."""
    for path in {*seen.ours, *seen.base}:
        if not path.startswith(OPEN):
            continue
        points = POINTS + path.removeprefix(OPEN)
        if number_of(path) in seen.state.ideas:
            if holds:
                yield path, None
                yield points, None
        elif path in seen.ours and path not in seen.base:
            yield path, seen.ours[path]
            if (further := further_points(clone.lab.repository, seen.ours[path])) is not None:
                yield points, further


def _looks(seen: Seen) -> Iterator[tuple[str, str | None]]:
    """Looks at the hold-out: one goes away with the verdict that tells of it."""
    for path in {*seen.ours, *seen.base}:
        if path.startswith(LOOKS):
            decided = number_of(path) in seen.state.ideas
            yield path, None if decided else seen.ours.get(path, seen.base.get(path))
