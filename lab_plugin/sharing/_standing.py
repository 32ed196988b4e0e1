"""How this clone stands to the git remote, by what was last seen of that."""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.errors import RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import came_without_ledger, not_locked
from lab_plugin.ledger import VerdictRecord
from lab_plugin.sharing._clone import Clone, clone_of
from lab_plugin.sharing._names import LEDGER

_SHOWN = 20


@dataclass(frozen=True)
class Standing:
    """How a clone stands to its remote; no network is used.

    Attributes:
        remote: The remote's address, without secrets.
        seen: Whether the remote was ever looked at from this clone.
        ahead: Records here that the remote is not known to have.
        behind: Records that the remote is known to have, and this clone has not.
    """

    remote: str
    seen: bool
    ahead: int
    behind: int

    @property
    def sentence(self) -> str:
        """How it stands, and what to do about it."""
        if not self.seen:
            return f"{self.remote}: never looked at from this clone; `lab sync` takes in what it has"
        if self.ahead and self.behind:
            told = (
                f"{self.ahead} records here and {self.behind} there are not on the other side; "
                "`lab sync` says what to do"
            )
        elif self.ahead:
            told = f"{self.ahead} records are not published; `lab sync` publishes them"
        elif self.behind:
            told = f"{self.behind} records are not taken in; `lab sync` does it"
        else:
            told = "the same, when it was last looked at"
        return f"{self.remote}: {told}"


def standing(lab: Lab) -> Standing | None:
    """How a lab's clone stands to its remote; None for a lab without one."""
    clone = clone_of(lab)
    if clone is None:
        return None
    shown = clone.source.shown
    if not clone.was_seen:
        return Standing(shown, False, 0, 0)
    repository, names = lab.repository, clone.names
    ours = repository.ref(lab.ledger.ref)
    told = [repository.ref(prefix + LEDGER) for prefix in (names.shared, names.incoming)]
    there = [oid for oid in dict.fromkeys(told) if oid is not None]
    ahead = repository.count_first_parents([ours], there) if ours is not None else 0
    behind = repository.count_first_parents(there, [ours] if ours is not None else [])
    return Standing(shown, True, ahead, behind)


def require_ledger(lab: Lab) -> None:
    """See that a lab's ledger is in this clone, where its git remote may have one; no network is used.

    Raises:
        RepositoryError: This clone has none, and never looked at the remote.
        LockError: This is a clone of a locked lab without a remote, and its ledger did not come along.
    """
    if lab.repository.ref(lab.ledger.ref) is not None:
        return
    found = standing(lab)
    if found is not None and not found.seen:
        raise RepositoryError(
            f"The ledger of the lab {lab.name} is not in this clone.",
            f"`lab sync` takes in what {found.remote} has.",
        )
    if came_without_ledger(lab):
        raise not_locked(lab)


def unpublished(clone: Clone) -> str:
    """What of this clone the remote is not known to have, in a sentence; "" for nothing."""
    lab, told = clone.lab, clone.lab.repository.ref(clone.names.shared + LEDGER)
    records = lab.ledger.records()
    try:
        new = [] if not records else lab.repository.first_parent_ids(records[-1].commit, told)
    except RepositoryError:
        new = [entry.commit for entry in records]
    alone = set(new)
    ideas = [
        entry.record.number
        for entry in records
        if entry.commit in alone and isinstance(entry.record, VerdictRecord)
    ]
    if not new:
        return ""
    shown = ", ".join(map(str, ideas[:_SHOWN])) + (" and more" if len(ideas) > _SHOWN else "")
    what = f"the verdicts of the ideas {shown}" if ideas else f"{len(new)} records"
    if len(ideas) == 1:
        what = f"the verdict of the idea {shown}"
    return f"Not published to {clone.target.shown} yet: {what}; `lab sync` publishes them."
