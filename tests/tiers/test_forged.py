"""What somebody who may write every object could tell of tiers: each lie is found, and named."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, Record, TierRecord, VerdictRecord, canonical
from lab_plugin.repository import RefChange
from lab_plugin.verification import prove_lab
from tests.tiers.labs import BATCH, CRASHED, KEPT, LOST, STOPPED, TURNED, opened
from tests.verification.test_ledger import rewrite


class Lie(NamedTuple):
    """One change of one record: of which idea and tier, and what has to be told."""

    number: int
    tier: str
    change: dict[str, Any]
    told: str


def lies(lab: Lab) -> list[Lie]:
    """A tier of "" is a verdict, of "lock" the lock."""
    ideas, results = lab.ledger.state().ideas, list(lab.ledger.state().results)
    kept = next(each for each in results if (each.number, each.tier) == (KEPT, "mid"))
    other = next(each for each in results if each.number == LOST)
    assert kept.comparison is not None
    compared = kept.comparison.model_dump(mode="json")
    lock = lab.ledger.state().lock
    assert lock is not None
    scores = {name: tier.model_dump(mode="json") for name, tier in lock.tiers.items()}
    return [
        Lie(STOPPED, "rough", {"value": 99.0}, "is not the mean of its scores"),
        Lie(STOPPED, "rough", {"values": [1.0], "value": 1.0}, "has not one value for each seed"),
        Lie(STOPPED, "rough", {"values": [9.0, 9.0], "value": 9.0}, "is not that of its first run"),
        Lie(STOPPED, "rough", {"seeds": [7, 8]}, "was scored on other seeds than the tier's"),
        Lie(STOPPED, "rough", {"tier": "cheap"}, "is at no tier of the lock before the last"),
        Lie(STOPPED, "rough", {"tier": "final"}, "is at no tier of the lock before the last"),
        Lie(STOPPED, "rough", {"epoch": 2}, "was not scored under the lock in force"),
        Lie(STOPPED, "rough", {"digest": "0" * 64}, "was not scored under the lock in force"),
        Lie(STOPPED, "rough", {"campaign": 9}, "which was not open"),
        Lie(STOPPED, "rough", {"passed": True}, "was compared, and its tier does not decide so"),
        Lie(STOPPED, "rough", {"number": KEPT}, "is the proposal of another idea"),
        Lie(STOPPED, "rough", {"tree": kept.tree}, "are no point of its proposal"),
        Lie(STOPPED, "rough", {"duplicate_of": KEPT}, "which has no such result before it"),
        Lie(STOPPED, "rough", {"commit": other.commit}, "its second parent is not the commit"),
        Lie(TURNED, "mid", {"tier": "rough"}, "has a second result"),
        Lie(TURNED, "mid", {"passed": True}, "is not what the rule decides there: revert"),
        Lie(KEPT, "mid", {"passed": False}, "is not what the rule decides there: keep"),
        Lie(KEPT, "mid", {"comparison": None}, "was not compared by its scores"),
        Lie(KEPT, "mid", {"comparison": {**compared, "champion": LOST}}, "which was no champion"),
        Lie(KEPT, "mid", {"comparison": {**compared, "level": 0.9}}, "more than its share of the error"),
        Lie(KEPT, "mid", {"comparison": {**compared, "noise": {}}}, "with another noise than was measured"),
        Lie(STOPPED, "", {"tiers": {}}, "at its tiers are not those of its results"),
        Lie(STOPPED, "", {"tiers": {"rough": 99.0}}, "at its tiers are not those of its results"),
        Lie(STOPPED, "", {"value": 99.0}, "never reached the tier that decides, and has a value"),
        Lie(STOPPED, "", {"metrics": {"value": 99.0}}, "and has a metrics"),
        Lie(STOPPED, "", {"champion_value": 1.0}, "and has a champion's value"),
        Lie(STOPPED, "", {"tier": "final"}, "and was not due: its value is"),
        Lie(STOPPED, "", {"tier": "mid"}, "without a result there"),
        Lie(STOPPED, "", {"tier": "none"}, "was decided at a tier that the lock lacks"),
        Lie(STOPPED, "", {"verdict": "crashed"}, "at the tier where it ended, and was crashed"),
        Lie(CRASHED, "", {"verdict": "reverted"}, "was reverted at the tier rough without a result there"),
        Lie(CRASHED, "", {"tier": "final"}, "was decided without a result at the tier rough"),
        Lie(KEPT, "", {"tier": "mid"}, "never reached the tier that decides, and has a value"),
        Lie(TURNED, "", {"tier": "rough"}, "has a result at mid after it"),
        Lie(LOST, "", {"tree": ideas[KEPT].tree}, "by another point than went on from the tier"),
        Lie(BATCH, "", {"tree": ideas[KEPT].tree}, "its tree and parameters are no point of the proposal"),
        Lie(0, "lock", {"tiers": {}}, "its tiers are not those that were locked"),
        Lie(0, "lock", {"tiers": {"mid": scores["mid"]}}, "its tiers are not those that were locked"),
        Lie(0, "lock", {"tier": "rough"}, "its tiers are not those that were locked"),
        Lie(
            0,
            "lock",
            {"tiers": {**scores, "mid": {**scores["mid"], "value": 1.0}}},
            "the value at the tier mid is not its metric cost",
        ),
        Lie(
            0,
            "lock",
            {"tiers": {**scores, "mid": {**scores["mid"], "noise": {}}}},
            "the tier mid has a noise where its rule needs none, or none where it does",
        ),
    ]


def is_about(record: Record, lie: Lie) -> bool:
    match record:
        case LockRecord():
            return lie.tier == "lock"
        case TierRecord():
            return (record.number, record.tier) == (lie.number, lie.tier)
        case VerdictRecord():
            return (record.number, "") == (lie.number, lie.tier)
    return False


def test_every_lie_is_named(tiered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_plugin.ledger._verify._PAUSE", 0.0)
    missed: dict[str, list[str]] = {}
    with opened(tiered) as lab:
        head, told = lab.ledger.head(), lies(lab)
        positions = [
            next(at for at, entry in enumerate(lab.ledger.records(), 1) if is_about(entry.record, lie))
            for lie in told
        ]
    for lie, position in zip(told, positions, strict=True):
        with opened(tiered) as lab:
            rewrite(lab, position, lie.change)
        with opened(tiered) as lab:
            problems = prove_lab(lab).problems
            lab.repository.update_refs([RefChange(lab.ledger.ref, head)])
        if not any(lie.told in str(problem) for problem in problems):
            missed[f"{lie.number} {lie.tier} {list(lie.change)}: {lie.told}"] = [
                problem.what for problem in problems
            ]
        assert all(problem.remedy for problem in problems)
        if lie.number and lie.tier and "number" not in lie.change:
            assert any(problem.idea == lie.number for problem in problems), lie
    assert missed == {}


def reorder(lab: Lab, order: list[int]) -> None:
    """Write these records, by position, in this order, each in its new place."""
    repository = lab.repository
    ids = repository.first_parent_ids(lab.ledger.head() or "")[::-1]
    raws, head = list(repository.raw_commits(ids)), ids[0]
    for sequence, at in enumerate(order, 1):
        raw = raws[at]
        assert raw is not None
        subject, _, line = raw.message.decode().partition("\n\n")
        record = {**json.loads(line), "sequence": sequence}
        when = datetime.fromisoformat(record["at"])
        head = repository.commit(
            raw.tree, [head, *raw.parents[1:]], f"{subject}\n\n{canonical(record)}\n", when=when
        )
    repository.update_refs([RefChange(lab.ledger.ref, head)])


def test_results_that_are_missing_or_come_late(tiered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_plugin.ledger._verify._PAUSE", 0.0)
    with opened(tiered) as lab:
        head, entries = lab.ledger.head(), [entry.record for entry in lab.ledger.records()]
    whole = list(range(1, len(entries) + 1))
    at = {
        (record.number, getattr(record, "tier", "") if isinstance(record, TierRecord) else ""): position
        for position, record in enumerate(entries, 1)
        if isinstance(record, TierRecord | VerdictRecord)
    }
    cases: list[tuple[list[int], str]] = []
    for (number, tier), position in at.items():
        rest = [other for other in whole if other != position]
        if not tier:
            continue
        cases.append((rest, f"the values of idea {number} at its tiers are not those of its results"))
        verdict = rest.index(at[number, ""]) + 1
        late = [*rest[:verdict], position, *rest[verdict:]]
        cases.append((late, f"idea {number} at the tier {tier} has a result after its verdict"))
    swapped = list(whole)
    first, second = (swapped.index(at[KEPT, tier]) for tier in ("rough", "mid"))
    swapped[first], swapped[second] = swapped[second], swapped[first]
    cases.append((swapped, f"idea {KEPT} at the tier mid has no result at the tier rough before it"))
    for order, told in cases:
        with opened(tiered) as lab:
            reorder(lab, order)
        with opened(tiered) as lab:
            problems = prove_lab(lab).problems
            lab.repository.update_refs([RefChange(lab.ledger.ref, head)])
        assert any(told in str(problem) for problem in problems), (told, list(map(str, problems)))
    with opened(tiered) as lab:
        reorder(lab, whole)
        assert lab.ledger.head() == head
