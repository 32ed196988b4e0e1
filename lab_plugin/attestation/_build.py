"""A statement made from the ledger, and nothing else: the same ledger gives the same bytes."""

from __future__ import annotations

import hashlib
from typing import Any

from lab_plugin.attestation._envelope import seal
from lab_plugin.attestation._statement import (
    CommitDigest,
    EpochPart,
    IdeaPart,
    LabPart,
    LedgerPart,
    Predicate,
    ScorePart,
    Statement,
    Subject,
    TreeDigest,
    VerdictPart,
)
from lab_plugin.attestation._tiers import tiers_of
from lab_plugin.details import read_details
from lab_plugin.epoch import load_lock, snapshot_of
from lab_plugin.errors import AttestationError, LedgerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, Place, Proof, VerdictRecord, canonical, line_of
from lab_plugin.lookup import find_idea
from lab_plugin.signing import open_signer
from lab_plugin.verification import require_proof


def attest(lab: Lab, text: str) -> tuple[bytes, bool]:
    """Attest a kept idea, after the whole ledger was proved.

    Args:
        lab: The lab.
        text: The idea, as `find_idea` takes it.

    Returns:
        The file's bytes, and whether they are signed: they are when the user's git signs commits.

    Raises:
        AttestationError: The idea was not kept.
        LedgerError: The ledger does not verify.
        SigningError: It is to be signed, and cannot be.
        LabError: There is no such idea.
    """
    record = find_idea(lab, text)
    statement = statement_of(lab, require_proof(lab).ledger, record)
    signer = open_signer(lab.repository.top)
    data = statement.to_bytes()
    return (data, False) if signer is None else (seal(data, signer), True)


def statement_of(lab: Lab, proof: Proof, record: VerdictRecord) -> Statement:
    """The statement of an idea.

    Raises:
        AttestationError: It was not kept, or the ledger does not have it.
        LedgerError: Its epoch cannot be read.
    """
    if record.verdict != "kept" or record.value is None:
        raise AttestationError(
            f"Idea {record.number} was not kept ({record.verdict}); only kept ideas are attested.",
            "Run `lab results` for those that were.",
        )
    place, (lock_place, lock) = proof.ideas.get(record.number), _lock_of(proof, record.epoch)
    if place is None:
        raise AttestationError(f"The ledger has no readable verdict of idea {record.number}.")
    terms = load_lock(lab, lock).terms
    subjects = (
        Subject(name=record.branch, digest=CommitDigest(gitCommit=record.commit)),
        Subject(name=record.branch, digest=TreeDigest(gitTree=record.tree)),
    )
    predicate = Predicate(
        lab=LabPart(name=lab.name, directory=lock.directory),
        idea=_idea(record),
        epoch=EpochPart(
            number=lock.epoch,
            digest=lock.digest,
            reason=lock.reason,
            at=lock.at,
            snapshot=TreeDigest(gitTree=snapshot_of(lab, lock)),
            ledger_commit=lock_place.commit,
            record_sha256=_record_hash(lab, lock_place),
        ),
        terms=terms,
        environment_sha256=sha256_of(terms.environment),
        score=_score(lab, lock, record, record.value),
        verdict=VerdictPart(
            word="kept",
            reason=record.reason,
            champion_value=record.champion_value,
            difference=record.difference,
            holdout=_outcome(record),
            comparison=record.comparison,
        ),
        ledger=LedgerPart(
            ref=lab.ledger.ref,
            commit=place.commit,
            record=place.record,
            record_sha256=_record_hash(lab, place),
            at=record.at,
        ),
        tiers=tiers_of(lab, proof, record, terms),
    )
    return Statement(subject=subjects, predicate=predicate)


def sha256_of(value: Any) -> str:
    """sha256 of the canonical JSON of a value, in hex."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def _idea(record: VerdictRecord) -> IdeaPart:
    return IdeaPart(
        number=record.number,
        branch=record.branch,
        strategy=record.strategy,
        title=record.title,
        hypothesis=record.hypothesis,
        parents=record.parents,
        params=record.params,
    )


def _score(lab: Lab, lock: LockRecord, record: VerdictRecord, value: float) -> ScorePart:
    details = read_details(lab.repository, record.details)
    card = {
        "metrics": record.metrics,
        "samples": [[sample.id, sample.score, sample.note] for sample in details.samples],
        "feedback": details.feedback,
    }
    return ScorePart(
        metric=lock.metric,
        goal=lock.goal,
        value=value,
        metrics=dict(record.metrics),
        scorecard_sha256=sha256_of(card),
        tier=record.tier,
        seed=record.seed,
        sandbox=record.sandbox,
        guarantees=record.guarantees,
        duplicate_of=record.duplicate_of,
    )


def _outcome(record: VerdictRecord) -> Any:
    return record.holdout.outcome if record.holdout is not None else None


def _lock_of(proof: Proof, epoch: int) -> tuple[Place, LockRecord]:
    for place, lock in proof.locks:
        if lock.epoch == epoch:
            return place, lock
    raise LedgerError(f"The ledger has no lock of epoch {epoch}.", "Run `lab verify`.")


def _record_hash(lab: Lab, place: Place) -> str:
    """sha256 of the record's line of canonical JSON, as the ledger commit has it."""
    message = lab.repository.read_commit(place.commit).partition(b"\n\n")[2]
    return hashlib.sha256(line_of(message).encode("ascii")).hexdigest()
