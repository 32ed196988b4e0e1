"""How a record's commit stands to what it is linked with: the one before, its tree, and the candidate."""

from __future__ import annotations

from collections.abc import Container, Iterator

from lab_plugin.ledger._codec import subject, time_of
from lab_plugin.ledger._fault import Fault
from lab_plugin.ledger._records import (
    CampaignRecord,
    ImportRecord,
    LockRecord,
    Record,
    TierRecord,
    VerdictRecord,
)
from lab_plugin.ledger._rules import proposal_faults
from lab_plugin.repository import EMPTY_TREE, IDENTITY, RawCommit


def link_faults(before: str, raw: RawCommit, record: Record, position: int) -> Iterator[Fault]:
    """Check a ledger commit against its record.

    Args:
        before: The ledger commit before it.
        raw: The commit.
        record: What it holds.
        position: Of the record in the ledger; 0 where the records do not tell theirs.
    """
    if position and record.sequence != position:
        yield Fault("it is not in its place in the ledger", f"record {record.sequence}", f"record {position}")
    if raw.parents[:1] != (before,):
        yield Fault("it does not follow the commit before it", before, " ".join(raw.parents[:1]))
    about = () if isinstance(record, CampaignRecord | ImportRecord) else (record.commit,)
    if raw.parents[1:] != about:
        what = "its second parent is not the commit that the record names"
        yield Fault(what, " ".join(about) or "none", " ".join(raw.parents[1:]) or "none")
    if raw.tree != (expected := _tree(record)):
        yield Fault("its tree is not the one of the record", expected, raw.tree)
    yield from _text_faults(raw, record)


def candidate_faults(record: VerdictRecord, candidate: RawCommit, known: Container[str]) -> Iterator[Fault]:
    """Check the candidate of a verdict.

    Args:
        record: The verdict.
        candidate: Its commit.
        known: The commits that the ledger was about before.
    """
    short = record.commit[:12]
    if candidate.tree != record.tree:
        yield Fault(
            f"the tree of the candidate {short} is not the one of the record", record.tree, candidate.tree
        )
    if candidate.parents != record.parents:
        what = f"the parents of the candidate {short} are not those of the record"
        yield Fault(what, " ".join(record.parents), " ".join(candidate.parents))
    unknown = [parent for parent in record.parents if parent not in known]
    if unknown:
        yield Fault(f"its parent {unknown[0][:12]} is no commit that the ledger knew then")
    yield from proposal_faults(record, candidate.message)


def _tree(record: Record) -> str:
    if isinstance(record, LockRecord | ImportRecord):
        return record.tree
    if isinstance(record, VerdictRecord | TierRecord) and record.details:
        return record.details
    return EMPTY_TREE


def _text_faults(raw: RawCommit, record: Record) -> Iterator[Fault]:
    if (line := raw.message.partition(b"\n")[0].decode("utf-8", "replace")) != subject(record):
        yield Fault("its subject does not say what its record says", repr(subject(record)), repr(line))
    if raw.others:
        yield Fault(f"it has headers that no ledger commit has: {', '.join(raw.others)[:200]}")
    when = time_of(record.at)
    if when is None:
        yield Fault("its time is none", "UTC, ISO 8601", repr(record.at))
        return
    stamp = f"{IDENTITY} {int(when.timestamp())} +0000"
    for name, found in (("author", raw.author), ("committer", raw.committer)):
        if found != stamp:
            yield Fault(f"its {name} is not the lab at the record's time", stamp, found)
