"""Taking in what the git remote has, and publishing what this clone has."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from lab_plugin.errors import LabError, RefConflict, RemoteError
from lab_plugin.idea import Idea
from lab_plugin.ledger import VerdictRecord
from lab_plugin.queue import Numbers, WishStore, read_next
from lab_plugin.repository import RefChange
from lab_plugin.sharing._clone import Clone, Seen
from lab_plugin.sharing._hold import Hold
from lab_plugin.sharing._merge import Merge, plan_merge
from lab_plugin.sharing._names import NUMBERS, OPEN
from lab_plugin.sharing._publish import Push, plan_push

_TRIES = 8
_LONGEST_PAUSE = 0.3


@dataclass
class Moved:
    """What came of it.

    Attributes:
        records: Records that are new here.
        published: Records that are new at the remote.
        renumbered: Number that an open idea of this clone had -> the one that it has.
    """

    records: int = 0
    published: int = 0
    renumbered: dict[int, int] = field(default_factory=dict)


class Transfer:
    """Moves refs between a clone and its remote. Other processes in the clone wait meanwhile.

    Args:
        clone: The clone.
        hold: The lease at the remote, where this process has it.
        claims: This process may have numbers of ideas in hand: a campaign under way.
    """

    def __init__(self, clone: Clone, hold: Hold | None = None, *, claims: bool = False) -> None:
        self.clone = clone
        self.hold = hold
        self.claims = claims
        self.moved = Moved()
        # Of open ideas at the remote: the numbers in them are this process's own gift.
        self._renumbered: set[str] = set()

    def take_in(self) -> None:
        """Look at the remote and take in what is new, by fast-forward alone.

        Raises:
            LedgersDiverged: Both sides have records that the other lacks; nothing changed.
            LeaseHeld: This process held the lease there, and lost it.
            RemoteGone: The remote cannot be reached.
            RemoteError: It refuses.
            RepositoryError: Something here is in the way.
        """
        with self.clone.alone():
            self._take_in()

    def publish(self, *, beats: bool = False) -> None:
        """Move at the remote what is new here, all of a transaction or none; takes in what is new there.

        Args:
            beats: Move the heartbeat, too, where there is nothing else to publish.

        Raises:
            LedgersDiverged: Both sides have records that the other lacks; nothing changed.
            LeaseHeld: This process held the lease there, and lost it; nothing moved there.
            RemoteGone: The remote cannot be reached; whether something moved is open.
            RemoteError: It refuses; nothing moved.
        """
        with self.clone.alone():
            tries = 0
            while True:
                seen = self.clone.look()
                push = plan_push(self.clone, seen, holds=self.hold is not None)
                if not push and not beats:
                    return
                try:
                    self._push(seen, push)
                except RefConflict as error:
                    tries += 1
                    self._take_in()
                    if tries >= _TRIES:
                        raise self._in_the_way(push, error) from error
                    # Not all at once again.
                    time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - it spreads tries
                else:
                    beats = False

    def _push(self, seen: Seen, push: Push) -> None:
        changes = push.refs(self.clone, seen)
        beat = self.hold.next_beat() if self.hold is not None else None
        self.clone.target.push([*changes, *([beat] if beat is not None else [])])
        if self.hold is not None and beat is not None:
            self.hold.beat = beat.new or ""
        prefix = self.clone.names.shared
        self.clone.lab.repository.update_refs(
            RefChange(prefix + path, oid) for path, oid in push.changes.items()
        )
        self.moved.published += len(push.branches)

    def _in_the_way(self, push: Push, error: RefConflict) -> LabError:
        """What to say when a push loses again and again, and nothing new is there to take in."""
        wanted = {change.ref: change.new for change in push.branches}
        there = self.clone.target.refs(*wanted) if wanted else {}
        for ref, oid in there.items():
            if ref in wanted and oid != wanted[ref]:
                name = ref.removeprefix("refs/heads/")
                return RemoteError(
                    f"The branch {name} at {self.clone.target.shown} is in the way: it is at {oid[:12]}, and"
                    f" the idea's commit is {(wanted[ref] or '')[:12]}.",
                    f"Rename it there, or remove it: git push {self.clone.name} :{ref}",
                )
        return RemoteError(
            f"Others keep moving the refs of the lab {self.clone.lab.name} at {self.clone.target.shown}: "
            f"{error.message}",
            "Run the command again.",
        )

    # --- taking in -------------------------------------------------------------------------------------

    def _take_in(self) -> None:
        self.clone.fetch()
        if self.hold is not None:
            self.hold.require()
        for _ in range(_TRIES):
            seen = self.clone.look()
            merge = plan_merge(
                self.clone, seen, holds=self.hold is not None, claims=self.claims, renumbered=self._renumbered
            )
            if merge.others:
                with suppress(RefConflict):
                    self._renumber_others(seen, merge.others)
                self.clone.fetch()
                continue
            try:
                self._apply(merge)
            except RefConflict:
                continue
            self.moved.records += sum(isinstance(entry.record, VerdictRecord) for entry in merge.records)
            for path in merge.mine:
                self._renumber_mine(seen, path)
            return
        raise RefConflict(f"The refs of the lab {self.clone.lab.name} keep moving.", "Run the command again.")

    def _apply(self, merge: Merge) -> None:
        lab = self.clone.lab
        if self.hold is not None:
            fence = self.hold.lease.fence()
        else:
            lease = lab.repository.ref(lab.lease_ref)
            fence = RefChange(lab.lease_ref, lease, lease or "")
        if merge.changes:
            lab.repository.update_refs([*merge.changes, fence])

    # --- numbers that were given out twice -------------------------------------------------------------

    def _renumber_mine(self, seen: Seen, path: str) -> None:
        """Give an open idea of this clone another number: others have published theirs first."""
        lab, before = self.clone.lab, seen.ours[path]
        idea = Idea.from_commit(before, lab.repository.commit_message(before))
        store = WishStore(lab.repository, lab.queue_ref)
        taken = 0

        def reopen(number: int) -> Sequence[RefChange]:
            nonlocal taken
            taken = number
            reopened, commit = self._numbered(idea, number)
            moves = [
                RefChange(lab.open_prefix + idea.name, None, before),
                RefChange(lab.open_prefix + reopened.name, commit, ""),
            ]
            return [*moves, *store.planned(lambda wishes: wishes.renumbered(idea.number, number))]

        Numbers(lab).claim(reopen)
        self.moved.renumbered[idea.number] = taken

    def _renumber_others(self, seen: Seen, paths: Sequence[str]) -> None:
        """Give open ideas at the remote other numbers: this process works on ideas of theirs."""
        lab, names = self.clone.lab, self.clone.names
        store = WishStore(lab.repository, lab.queue_ref)
        changes: list[RefChange] = []
        self._pass_over(seen.theirs.get(NUMBERS))
        wishes = store.read(seen.theirs.get("queue", ""))
        for path in paths:
            commit = seen.theirs[path]
            idea = Idea.from_commit(commit, lab.repository.commit_message(commit))
            reopened, after = self._numbered(idea, Numbers(lab).claim(lambda number: ()))
            changes.append(RefChange(names.ref(path), None, commit))
            changes.append(RefChange(names.ref(OPEN + reopened.name), after, ""))
            self._renumbered.add(OPEN + reopened.name)
            wishes = wishes.renumbered(idea.number, reopened.number)
        queue = lab.repository.write_blob(wishes.encode()) if wishes else None
        if queue != seen.theirs.get("queue"):
            changes.append(RefChange(lab.queue_ref, queue, seen.theirs.get("queue", "")))
        assert self.hold is not None
        beat = self.hold.next_beat()
        self.clone.target.push([*changes, beat])
        self.hold.beat = beat.new or ""

    def _pass_over(self, theirs: str | None) -> None:
        """Give out no number any more that the remote has given out."""
        lab = self.clone.lab
        ours = lab.repository.ref(lab.numbers_ref)
        if theirs is not None and read_next(lab.repository, theirs) > read_next(lab.repository, ours):
            lab.repository.update_refs([RefChange(lab.numbers_ref, theirs, ours or "")])

    def _numbered(self, idea: Idea, number: int) -> tuple[Idea, str]:
        """An idea under another number, and its commit."""
        lab = self.clone.lab
        other = idea.model_copy(update={"number": number})
        return other, lab.repository.commit(other.points[0].tree, [other.parent], other.message(lab.name))
