"""Sharing outside of a campaign: `lab sync`, commands beside a campaign, and what `lab check` tries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab_plugin.errors import LabError, RemoteGone
from lab_plugin.events import Notice, publish
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import require_branches
from lab_plugin.ledger import VerdictRecord
from lab_plugin.repository import Lease, RefChange
from lab_plugin.sharing._clone import Clone, clone_of
from lab_plugin.sharing._held import held
from lab_plugin.sharing._names import LEDGER
from lab_plugin.sharing._standing import standing
from lab_plugin.sharing._transfer import Transfer


def take_in(lab: Lab) -> None:
    """Take in what the git remote has; nothing for a lab without one, or while a campaign runs in this clone.

    Raises:
        LedgersDiverged: Both sides have records that the other lacks; nothing changed.
        RemoteGone: The remote cannot be reached.
        RemoteError: It refuses.
    """
    clone = clone_of(lab)
    if clone is not None and not clone.is_busy:
        Transfer(clone).take_in()


@dataclass
class Beside:
    """A command that works beside campaigns.

    Attributes:
        renumbered: Number that an idea had before it was published -> the one that it has.
    """

    renumbered: Mapping[int, int] = field(default_factory=dict)


@contextmanager
def beside(lab: Lab, *, publishes: bool = True) -> Iterator[Beside]:
    """Take in what the git remote has, and afterwards publish what was changed of the queue.

    A remote that cannot be reached is told, and stops nothing: what was changed is published later.

    Args:
        lab: The lab; nothing is done for one without a remote, and where a campaign in this clone does it.
        publishes: Whether anything is changed that others are to see.

    Raises:
        LedgersDiverged: Both sides have records that the other lacks; nothing changed.
        RemoteError: The remote refuses.
    """
    clone, told = clone_of(lab), Beside()
    if clone is None or clone.is_busy:
        yield told
        return
    transfer = Transfer(clone)
    try:
        transfer.take_in()
    except RemoteGone as error:
        publish(Notice(f"{error.message} The command goes on with what this clone knows."))
    yield told
    if not publishes:
        return
    try:
        transfer.publish()
    except RemoteGone as error:
        publish(Notice(f"{error.message} What was changed is in this clone alone; `lab sync` publishes it."))
    told.renumbered = transfer.moved.renumbered


@dataclass(frozen=True)
class Synced:
    """What `lab sync` did with the git remote.

    Attributes:
        remote: The remote's address, without secrets.
        fetched: Verdicts that are new here.
        published: Records that are new there.
        aside: Where records that this clone alone had are kept; "" for none.
    """

    remote: str
    fetched: int
    published: int
    aside: str = ""


async def sync(lab: Lab, *, aside: bool = False) -> Synced | None:
    """Make this clone and the git remote the same; None for a lab without one.

    Args:
        lab: The lab.
        aside: Where both have records that the other lacks, keep this clone's under another ref, and go on
            with the remote's.

    Raises:
        LedgersDiverged: Both sides have records that the other lacks, without `aside`.
        LeaseHeld: A campaign in another clone writes verdicts, and this one has some to publish.
        RemoteGone: The remote cannot be reached.
        RemoteError: It refuses.
    """
    clone = clone_of(lab)
    if clone is None:
        return None
    shown = clone.source.shown
    if clone.is_busy:
        publish(Notice("A campaign runs in this clone: it publishes what it decides by itself."))
        return Synced(shown, 0, 0)
    kept = _set_aside(clone) if aside else ""
    transfer = Transfer(clone)
    transfer.take_in()
    before = standing(lab)
    assert before is not None
    if before.ahead:
        async with held(lab, "lab sync"):
            pass
        after = standing(lab)
        assert after is not None
        return Synced(shown, transfer.moved.records, before.ahead - after.ahead, kept)
    transfer.publish()
    return Synced(shown, transfer.moved.records, 0, kept)


def _set_aside(clone: Clone) -> str:
    """Move this clone's ledger out of the way where it has diverged; returns the ref that keeps it."""
    lab, names = clone.lab, clone.names
    with clone.alone(), Lease.acquire(lab.repository, lab.lease_ref, "lab sync --aside") as lease:
        clone.fetch()
        seen = clone.look()
        theirs, ours = seen.theirs.get(LEDGER), seen.tip
        if theirs is None or ours is None:
            return ""
        repository = lab.repository
        if repository.is_ancestor(ours, theirs) or repository.is_ancestor(theirs, ours):
            return ""
        require_branches(lab)
        alone = set(repository.first_parent_ids(ours, theirs))
        entries = [entry for entry in lab.ledger.records() if entry.commit in alone]
        shared = [entry.commit for entry in lab.ledger.records() if entry.commit not in alone]
        back = shared[-1] if shared else None
        keep = f"{names.own}aside/{ours[:12]}"
        changes = [RefChange(keep, ours, ""), RefChange(lab.ledger.ref, back, ours)]
        best = repository.ref(lab.best_ref)
        in_use = repository.checked_out_branches()
        # The commits stay: each is a parent of its record, which the new ref keeps.
        for record in (entry.record for entry in entries):
            if isinstance(record, VerdictRecord) and record.branch not in in_use:
                ref = f"refs/heads/{record.branch}"
                if repository.ref(ref) == record.commit:
                    changes.append(RefChange(ref, None, record.commit))
        if best is not None:
            changes.append(RefChange(lab.best_ref, None, best))
        repository.update_refs([*changes, lease.fence()])
        return keep


def probe(lab: Lab) -> str:
    """See that the git remote can be reached and would take a push; nothing moves.

    Raises:
        LabError: It cannot, or would not.
    """
    clone = clone_of(lab)
    if clone is None:
        raise LabError(f"The lab {lab.name} has no [lab] remote.")
    head = lab.repository.head()
    clone.source.refs(lab.ledger.ref)
    clone.target.push([RefChange(f"{clone.names.own}probe", head, "")], dry_run=True)
    found = standing(lab)
    assert found is not None
    return f"answers, and takes a push; {found.sentence}"
