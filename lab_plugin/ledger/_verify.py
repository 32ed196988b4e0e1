"""Proof of a ledger: the chain, every record in it, and the refs that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from lab_plugin.errors import LedgerError, RepositoryError
from lab_plugin.ledger._chain import Problem, genesis_message, read_chain, record_of
from lab_plugin.ledger._records import CampaignRecord, LockRecord, Record, VerdictRecord
from lab_plugin.ledger._state import State
from lab_plugin.repository import EMPTY_TREE, Commit, Repository

_FORGED = "Compare with a clone that was fetched before: `git log refs/lab/<lab>/ledger` there."


def verify(repository: Repository, lab: str, head: str | None) -> list[Problem]:
    """See `Ledger.verify`."""
    if head is None:
        return []
    try:
        chain = read_chain(repository, lab, head, None)
    except LedgerError as error:
        return [Problem(head, error.message, error.remedy)]
    proof = _Proof(repository, lab)
    found = [*_hashes(repository, chain), *_genesis(lab, chain[0])]
    for before, raw in pairwise(chain):
        found.extend(proof.check(before, raw))
    found.extend(proof.check_refs())
    return found


def _hashes(repository: Repository, chain: list[Commit]) -> Iterator[Problem]:
    """Prove that every commit's content has its id; with it, the parents' ids prove the whole chain."""
    contents = repository.read_commits([commit.oid for commit in chain])
    for commit, data in zip(chain, contents, strict=True):
        body = b"commit %d\0" % len(data) + data
        same = hashlib.sha1(body, usedforsecurity=False).hexdigest() == commit.oid
        if not same or not data.endswith(b"\n\n" + commit.message):
            remedy = "Run `git fsck`; fetch the object from a clone."
            yield Problem(commit.oid, "its content is not what its id stands for", remedy)


def _genesis(lab: str, raw: Commit) -> Iterator[Problem]:
    if raw.parents or raw.tree != EMPTY_TREE or raw.message != genesis_message(lab).encode():
        yield Problem(raw.oid, f"this is not the start of a ledger of the lab {lab}", _FORGED)


@dataclass
class _Proof:
    """What is known from the records checked so far."""

    repository: Repository
    lab: str
    state: State = field(default_factory=State)

    def check(self, before: Commit, raw: Commit) -> Iterator[Problem]:
        """Check one ledger commit against those before it."""
        try:
            record = record_of(raw, strict=True)
        except ValueError as error:
            remedy = (
                "The idea is left out; all others count. Restore the object from a clone if it is damaged."
            )
            yield Problem(raw.oid, f"unreadable record: {error}", remedy)
            return
        faults = [*self._commit_faults(before, raw, record), *self._record_faults(record)]
        for fault in faults:
            yield Problem(raw.oid, fault, _FORGED)
        self.state = self.state.with_record(record)

    def check_refs(self) -> Iterator[Problem]:
        """Check the branches against the records."""
        branches = self.repository.refs(f"refs/heads/lab/{self.lab}/")
        for record in self.state.ideas.values():
            found = branches.get(f"refs/heads/{record.branch}")
            # Branches of ideas that were not kept may be cleaned away; the ledger keeps their commits.
            cleaned = found is None and record.verdict != "kept"
            if found != record.commit and not cleaned:
                what = "is missing" if found is None else f"is at {found[:12]}, not at {record.commit[:12]}"
                remedy = f"Run `git branch -f {record.branch} {record.commit}`."
                yield Problem("", f"the branch {record.branch} {what}", remedy)
        best = branches.get(f"refs/heads/lab/{self.lab}/best")
        champion = self.state.champion
        if champion is not None and best != champion.commit:
            remedy = f"Run `git branch -f lab/{self.lab}/best {champion.commit}`."
            yield Problem("", f"lab/{self.lab}/best is not at the champion, idea {champion.number}", remedy)

    def _commit_faults(self, before: Commit, raw: Commit, record: Record) -> Iterator[str]:
        if raw.parents[0] != before.oid:
            yield "it does not follow the commit before it"
        about = () if isinstance(record, CampaignRecord) else (record.commit,)
        if raw.parents[1:] != about:
            yield "its second parent is not the commit that the record names"
        expected = record.tree if isinstance(record, LockRecord) else EMPTY_TREE
        if raw.tree != expected:
            yield "its tree is not the one of the record"
        if isinstance(record, VerdictRecord):
            try:
                if self.repository.tree_of(record.commit) != record.tree:
                    yield f"the tree of the candidate {record.commit[:12]} is not the one of the record"
                if self.repository.parents_of(record.commit) != record.parents:
                    yield f"the parents of the candidate {record.commit[:12]} are not those of the record"
            except RepositoryError as error:
                yield error.message

    def _record_faults(self, record: Record) -> Iterator[str]:
        match record:
            case LockRecord():
                if record.lab != self.lab:
                    yield f"it is a lock of the lab {record.lab}"
                if record.epoch != (self.state.lock.epoch if self.state.lock else 0) + 1:
                    yield f"epoch {record.epoch} does not follow the one before"
            case CampaignRecord():
                if record.event != "opened" and (
                    self.state.campaign is None or self.state.campaign.number != record.campaign
                ):
                    yield f"campaign {record.campaign} is {record.event} but was not open"
            case VerdictRecord():
                yield from self._verdict_faults(record)

    def _verdict_faults(self, record: VerdictRecord) -> Iterator[str]:
        lock, champion, campaign = self.state.lock, self.state.champion, self.state.campaign
        if record.number in self.state.ideas:
            yield f"idea {record.number} has a second verdict"
        if lock is None or (record.epoch, record.digest) != (lock.epoch, lock.digest):
            yield f"idea {record.number} was not scored under the lock in force"
        if campaign is None or campaign.number != record.campaign:
            yield f"idea {record.number} belongs to campaign {record.campaign}, which was not open"
        if record.verdict in ("crashed", "rejected") and record.value is not None:
            yield f"idea {record.number} is {record.verdict} and has a value"
        if record.verdict != "kept" or lock is None or champion is None:
            return
        if record.value is None:
            yield f"idea {record.number} is kept without a value"
        elif record.champion_value != champion.value:
            yield f"idea {record.number} was not compared with the champion of its time"
