"""`lab diagnose`: where an idea is bad, sample by sample, from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lab_plugin.config import Config
from lab_plugin.details import FOLDER, has_samples, read_details, read_sample
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.ledger import LockRecord, State, VerdictRecord
from lab_plugin.lookup import find_idea
from lab_plugin.samples import Direction, direction, goodness
from lab_plugin.scorer import Sample

BASELINE = "baseline"
_CHAMPION = ("champion", "best")


@dataclass(frozen=True)
class Subject:
    """Something that was scored: an idea, or the commit that a lock scored.

    Attributes:
        name: `baseline`, or `idea 7`.
        number: The idea's number; 0 for the baseline.
        epoch: Of its scoring.
        value: Its metric; None when it has none.
        details: Tree of what was said; "" for none.
        tier: Of its scoring.
    """

    name: str
    number: int
    epoch: int
    value: float | None
    details: str
    tier: str


@dataclass(frozen=True)
class Row:
    """One sample.

    Attributes:
        id: Its name.
        score: The idea's.
        against: The other's; None without a comparison.
        difference: `score` minus `against`; None without a comparison.
        note: What the scorer said of it in the idea's scoring.
    """

    id: str
    score: float
    against: float | None
    difference: float | None
    note: str


@dataclass(frozen=True)
class Diagnosis:
    """An idea's samples, the worst first; against another, the greatest loss first.

    Attributes:
        idea: What is diagnosed.
        against: What it is compared with; None for nothing.
        direction: Which way a score is better.
        rows: The samples that both have.
        only_idea: Ids that the other lacks.
        only_against: Ids that the idea lacks.
        feedback: What the scorer said of the whole.
    """

    idea: Subject
    against: Subject | None
    direction: Direction
    rows: tuple[Row, ...]
    only_idea: tuple[str, ...]
    only_against: tuple[str, ...]
    feedback: str


@dataclass(frozen=True)
class Appearance:
    """One sample in one scoring.

    Attributes:
        subject: What was scored.
        score: The sample's; None where the scoring lacks it.
        note: What the scorer said of it.
    """

    subject: Subject
    score: float | None
    note: str


def diagnose(lab: Lab, idea: str = "champion", against: str = "") -> Diagnosis:
    """Sort an idea's samples.

    Args:
        lab: The lab.
        idea: An idea as `find_idea` takes it, `champion`, or `baseline`.
        against: Likewise; "" for no comparison.

    Raises:
        LabError: There is no such idea, it has no samples, or the two are of different epochs or tiers.
        LedgerError: What was said is missing from the repository.
    """
    subject = find_subject(lab, idea)
    mine, feedback = _samples(lab, subject)
    way = direction(_config_at(lab, subject.tier))
    if not against:
        rows = [Row(sample.id, sample.score, None, None, sample.note) for sample in mine]
        rows.sort(key=lambda row: (goodness(row.score, way), row.id))
        return Diagnosis(subject, None, way, tuple(rows), (), (), feedback)
    other = find_subject(lab, against)
    if other.epoch != subject.epoch:
        raise LabError(
            f"{subject.name} was scored in epoch {subject.epoch}, {other.name} in epoch {other.epoch}; "
            "scores of different epochs are never compared.",
            "Compare ideas of one epoch; the champion was scored again when the epoch opened.",
        )
    if other.tier != subject.tier:
        raise LabError(
            f"{subject.name} was scored at the tier {subject.tier}, {other.name} at {other.tier}; "
            "scores of different tiers are never compared.",
            "Compare ideas that were decided at one tier; `lab results --tier NAME` lists them.",
        )
    theirs = {sample.id: sample.score for sample in _samples(lab, other)[0]}
    return _compared(subject, other, way, mine, theirs, feedback)


def sample_history(lab: Lab, sample: str, limit: int) -> list[Appearance]:
    """One sample over the newest scorings of the current epoch that have samples, newest first.

    Args:
        lab: The lab.
        sample: The sample's id.
        limit: How many scorings, 1 or more.

    Raises:
        LabError: None of them has that sample.
        LedgerError: What was said is missing from the repository.
    """
    state = lab.ledger.state()
    found = list(islice(_appearances(lab, state, sample), limit))
    if not any(appearance.score is not None for appearance in found):
        raise LabError(
            f"No sample {sample!r} is in the newest {len(found)} scorings of this epoch.",
            "`lab diagnose IDEA` lists the ids.",
        )
    return found


def find_subject(lab: Lab, text: str) -> Subject:
    """What a person means.

    Raises:
        LabError: There is no such idea, or the lab is not locked.
    """
    state = lab.ledger.state()
    if state.lock is None or state.champion is None:
        raise not_locked(lab)
    if text == BASELINE:
        return _locked(lab, state.lock)
    if text in _CHAMPION:
        if state.champion.commit == state.lock.commit:
            return _locked(lab, state.lock)
        return _decided(lab, state, state.ideas[state.champion.number])
    return _decided(lab, state, find_idea(lab, text))


def _compared(
    subject: Subject,
    other: Subject,
    way: Direction,
    mine: tuple[Sample, ...],
    theirs: dict[str, float],
    feedback: str,
) -> Diagnosis:
    rows = [
        Row(sample.id, sample.score, theirs[sample.id], sample.score - theirs[sample.id], sample.note)
        for sample in mine
        if sample.id in theirs
    ]
    rows.sort(key=lambda row: (goodness(row.difference or 0.0, way), row.id))
    known = {sample.id for sample in mine}
    return Diagnosis(
        idea=subject,
        against=other,
        direction=way,
        rows=tuple(rows),
        only_idea=tuple(sample.id for sample in mine if sample.id not in theirs),
        only_against=tuple(name for name in theirs if name not in known),
        feedback=feedback,
    )


def _locked(lab: Lab, lock: LockRecord) -> Subject:
    name = f"idea {lock.champion}" if lock.champion else BASELINE
    details = lab.repository.subtree(lock.tree, FOLDER) or ""
    return Subject(name, lock.champion, lock.epoch, lock.value, details, lock.tier)


def _decided(lab: Lab, state: State, record: VerdictRecord) -> Subject:
    if state.results.get(record.epoch, record.number, record.tier) is not None:
        return _stopped(state, record)
    details = record.details
    # A duplicate was not run: what was said is with the first of its kind.
    if not details and record.duplicate_of is not None:
        twin = state.ideas.get(record.duplicate_of)
        if twin is not None:
            details = twin.details
        elif state.lock is not None and state.lock.epoch == record.epoch:
            details = _locked(lab, state.lock).details
    name = f"idea {record.number}"
    return Subject(name, record.number, record.epoch, record.value, details, record.tier)


def _stopped(state: State, record: VerdictRecord) -> Subject:
    """An idea that went no further than a tier before the last."""
    details, number = "", record.number
    result = state.results.get(record.epoch, number, record.tier)
    value = result.value if result is not None else None
    # Of a duplicate that was said which was said of the first of its kind.
    while result is not None and not (details := result.details) and result.duplicate_of:
        result = state.results.get(record.epoch, result.duplicate_of, record.tier)
    return Subject(f"idea {number}", number, record.epoch, value, details, record.tier)


def _config_at(lab: Lab, tier: str) -> Config:
    """The configuration of a tier; that of the last one for a tier that is no more."""
    return next((each.config for each in lab.config.screening if each.name == tier), lab.config)


def _appearances(lab: Lab, state: State, sample: str) -> Iterator[Appearance]:
    """What the scorings of the current epoch that have samples say of one, newest first."""
    for subject in _scored(lab, state):
        if has_samples(lab.repository, subject.details):
            there = read_sample(lab.repository, subject.details, sample)
            score, note = (there.score, there.note) if there else (None, "")
            yield Appearance(subject, score, note)


def _scored(lab: Lab, state: State) -> Iterator[Subject]:
    lock = state.lock
    if lock is None:
        return
    for record in reversed(list(state.ideas.values())):
        if record.epoch == lock.epoch and record.details and record.value is not None:
            yield _decided(lab, state, record)
    yield _locked(lab, lock)


def _samples(lab: Lab, subject: Subject) -> tuple[tuple[Sample, ...], str]:
    details = read_details(lab.repository, subject.details)
    if not details.samples:
        raise LabError(
            f"The scorecard of {subject.name} holds no samples.",
            'Let the scorer write "samples": [{"id": ..., "score": ...}] beside its metrics.',
        )
    return details.samples, details.feedback
