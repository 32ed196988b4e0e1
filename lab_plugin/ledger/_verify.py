"""Proof of a ledger: the chain, every record in it, and the refs that follow from it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lab_plugin.errors import RepositoryError
from lab_plugin.ledger._branches import branch_problems
from lab_plugin.ledger._chain import Problem, genesis_message
from lab_plugin.ledger._codec import decode, line_of
from lab_plugin.ledger._fault import Fault
from lab_plugin.ledger._links import candidate_faults, link_faults
from lab_plugin.ledger._records import (
    CampaignRecord,
    ImportRecord,
    LockRecord,
    Record,
    TierRecord,
    VerdictRecord,
)
from lab_plugin.ledger._rules import record_faults
from lab_plugin.ledger._signatures import SignatureProof, prove_signatures
from lab_plugin.ledger._state import State
from lab_plugin.ledger._tier_rules import scored_faults
from lab_plugin.repository import EMPTY_TREE, RawCommit, Repository

_DAMAGED = "Run `git fsck`; fetch the object from a clone that has it."
_LEFT_OUT = "The idea is left out; all others count. Restore the object from a clone if it is damaged."
_TRIES, _PAUSE = 5, 0.2
# Records that are read and judged together.
_PIECE = 512
_ID = re.compile(r"[0-9a-f]{40}")


class Place(NamedTuple):
    """Where a record is in a ledger: its position, from 1, and its commit."""

    record: int
    commit: str


@dataclass(frozen=True)
class Proof:
    """What came of proving a ledger.

    Attributes:
        commits: The ledger's commits by position, 0 being its start.
        problems: What is not as it should be, in the order of the ledger.
        signatures: Who signed it.
        state: What the readable records say.
        ideas: Idea -> place of its record.
        locks: The locks, oldest first, with their places.
    """

    commits: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    signatures: SignatureProof = field(default_factory=SignatureProof)
    state: State = field(default_factory=State)
    ideas: Mapping[int, Place] = field(default_factory=dict)
    locks: tuple[tuple[Place, LockRecord], ...] = ()

    @property
    def records(self) -> int:
        """How many records its chain has."""
        return max(0, len(self.commits) - 1)


def prove(repository: Repository, lab: str) -> Proof:
    """See `Ledger.prove`."""
    ref = f"refs/lab/{lab}/ledger"
    chain = _Chain(repository, lab)
    for attempt in range(_TRIES):
        # Before the refs are listed: a verdict moves the ledger first.
        head = repository.ref(ref)
        if head is None:
            return Proof()
        chain = _Chain(repository, lab)
        chain.read(head)
        refs = repository.refs(f"refs/heads/lab/{lab}/")
        moved = list(branch_problems(lab, chain.state, refs, repository.remotes))
        if not moved or attempt == _TRIES - 1:
            break
        # A verdict may be on its way: a ledger that stands still with these refs is not.
        time.sleep(_PAUSE)
        if repository.ref(ref) == head and repository.refs(f"refs/heads/lab/{lab}/") == refs:
            break
    signatures = prove_signatures(repository, lab, chain.raw)
    problems = sorted([*chain.problems, *signatures.problems], key=lambda problem: problem.record)
    return Proof(
        commits=tuple(chain.commits),
        problems=(*problems, *moved),
        signatures=signatures,
        state=chain.state,
        ideas=chain.ideas,
        locks=tuple(chain.locks),
    )


class _Chain:
    """The ledger's commits, believed only as far as their bytes prove them."""

    def __init__(self, repository: Repository, lab: str) -> None:
        self._repository = repository
        self._lab = lab
        self._forged = f"Compare with a clone that was fetched before: `git log refs/lab/{lab}/ledger` there."
        self._about: set[str] = set()
        self.state = State()
        self.problems: list[Problem] = []
        self.ideas: dict[int, Place] = {}
        self.locks: list[tuple[Place, LockRecord]] = []
        self.raw: list[RawCommit | None] = []
        self.commits: list[str] = []
        self._numbered = False

    def read(self, head: str) -> None:
        """Prove all commits up to the head."""
        try:
            ids = self._repository.first_parent_ids(head)[::-1]
        except RepositoryError as error:
            remedy = f"Fetch refs/lab/{self._lab}/ledger from a clone that has it, or look at `git fsck`."
            self.problems.append(Problem(head, f"the ledger cannot be read back: {error.message}", remedy))
            return
        self.commits = ids
        judged = True
        # In pieces, each of which is still at hand in the processor when its records are judged.
        for start in range(0, len(ids), _PIECE):
            piece = list(self._repository.raw_commits(ids[start : start + _PIECE]))
            self.raw += piece
            if start == 0:
                judged = self._check_start(ids[0], piece.pop(0))
            if judged:
                self._read_piece(max(start, 1), piece)

    def _read_piece(self, first: int, commits: Sequence[RawCommit | None]) -> None:
        """Prove the commits from a position of the ledger on."""
        ids = self.commits
        records = [self._record(at, ids[at], raw) for at, raw in enumerate(commits, first)]
        candidates = self._candidates(records)
        for at, (raw, record) in enumerate(zip(commits, records, strict=True), first):
            if raw is None or record is None:
                continue
            self._numbered = self._numbered or record.sequence != 0
            position = at if self._numbered else 0
            faults = [*link_faults(ids[at - 1], raw, record, position)]
            self._tell(at, raw, record, [*faults, *self._record_faults(record, candidates)])
            if isinstance(record, VerdictRecord):
                self.ideas.setdefault(record.number, Place(at, raw.oid))
            elif isinstance(record, LockRecord):
                self.locks.append((Place(at, raw.oid), record))
            self.state = self.state.with_record(record)

    def _check_start(self, oid: str, raw: RawCommit | None) -> bool:
        """Check the commit before the first record; False where the records cannot be judged."""
        if raw is None:
            self.problems.append(Problem(oid, "the commit cannot be read", _DAMAGED))
            return True
        if not raw.proved:
            self.problems.append(Problem(oid, "its content is not what its id stands for", _DAMAGED))
        if raw.parents and self._repository.is_shallow:
            remedy = f"Run `git fetch --unshallow`, then fetch refs/lab/{self._lab}/ledger again."
            what = "the ledger is cut off here: this is a shallow clone"
            self.problems.append(Problem(oid, what, remedy))
            return False
        if raw.parents or raw.tree != EMPTY_TREE or raw.message != genesis_message(self._lab).encode():
            what = f"this is not the start of a ledger of the lab {self._lab}"
            self.problems.append(Problem(oid, what, self._forged))
        return True

    def _record(self, at: int, oid: str, raw: RawCommit | None) -> Record | None:
        if raw is None:
            self.problems.append(Problem(oid, "the commit cannot be read", _DAMAGED, at))
            return None
        if not raw.proved:
            self.problems.append(Problem(oid, "its content is not what its id stands for", _DAMAGED, at))
        try:
            return decode(line_of(raw.message))
        except ValueError as error:
            self.problems.append(Problem(oid, f"unreadable record: {error}", _LEFT_OUT, at))
            return None

    def _candidates(self, records: Sequence[Record | None]) -> dict[str, RawCommit | None]:
        """The commits that the records are about."""
        about = (
            record
            for record in records
            if record is not None and not isinstance(record, CampaignRecord | ImportRecord)
        )
        ids = list(dict.fromkeys(record.commit for record in about if _ID.fullmatch(record.commit)))
        return dict(zip(ids, self._repository.raw_commits(ids), strict=True))

    def _record_faults(self, record: Record, candidates: dict[str, RawCommit | None]) -> Iterator[Fault]:
        yield from record_faults(self._lab, self.state, record)
        if isinstance(record, CampaignRecord | ImportRecord):
            return
        candidate = candidates.get(record.commit)
        if candidate is None:
            yield Fault(f"the candidate {record.commit[:12]} is missing")
        elif not candidate.proved:
            yield Fault(f"the content of the candidate {record.commit[:12]} is not what its id stands for")
        elif isinstance(record, VerdictRecord):
            yield from candidate_faults(record, candidate, self._about)
        elif isinstance(record, TierRecord):
            yield from scored_faults(record, candidate.message)
        self._about.add(record.commit)

    def _tell(self, at: int, raw: RawCommit, record: Record, faults: Sequence[Fault]) -> None:
        idea = record.number if isinstance(record, VerdictRecord | TierRecord) else None
        self.problems.extend(
            Problem(raw.oid, fault.what, self._forged, at, idea, fault.expected, fault.found)
            for fault in faults
        )
