"""What the ledger, its verification, MLflow and a proposer make of a pruned idea."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.details import Details, read_curves, write_details
from lab_plugin.errors import LedgerError
from lab_plugin.feedback import Feedback
from lab_plugin.lab import Lab
from lab_plugin.ledger import Comparison, Point, Pruned, VerdictRecord
from lab_plugin.ledger._records import CampaignRecord, LockRecord
from lab_plugin.ledger._rules import record_faults
from lab_plugin.ledger._state import State
from lab_plugin.pruning import Curve
from lab_plugin.repository import Repository
from lab_plugin.tracking._drafts import idea_draft, with_curves

AT = "2026-01-31T04:05:06Z"
MEDIAN = Pruned(step=3, value=0.25, pruner="median")


def verdict(**fields: Any) -> VerdictRecord:
    values = {
        "at": AT, "number": 1, "slug": "s", "branch": "lab/x/ideas/0001-s", "campaign": 1, "epoch": 1,
        "strategy": "tpe", "hypothesis": "h", "commit": "c", "tree": "t", "parents": ("p",),
        "verdict": "reverted", "reason": "pruned at step 3 by median: 0.25 is bad", "pruned": MEDIAN,
        "digest": "d", "sandbox": "bubblewrap", **fields,
    }  # fmt: skip
    return VerdictRecord(**values)


def found(**fields: Any) -> list[str]:
    lock = LockRecord(
        at=AT, lab="x", epoch=1, reason="", digest="d", metric="m", goal="maximize", commit="b", tree="t",
        value=0.5,
    )  # fmt: skip
    opened = CampaignRecord(at=AT, campaign=1, event="opened", strategy="tpe")
    state = State().with_record(lock).with_record(opened)
    return [fault.what for fault in record_faults("x", state, verdict(**fields))]


def test_a_pruned_idea_is_reverted_and_has_no_value() -> None:
    assert found() == []
    assert found(pruned=Pruned(step=0, value=None, pruner="diverged")) == []
    assert found(verdict="inconclusive") == ["idea 1 was pruned and is not reverted"]
    assert found(verdict="crashed") == ["idea 1 was pruned and is not reverted"]
    assert "idea 1 was pruned and has a value" in found(value=0.4)
    assert "idea 1 was pruned and has a value" in found(metrics={"other": 0.4})
    compared = Comparison(champion=0, seeds=(0,), candidate={"m": (1.0,)}, against={"m": (0.5,)})
    assert "idea 1 was pruned and has a value" in found(comparison=compared)


def test_a_pruned_point_tells_where_and_has_no_value() -> None:
    scored = Point(tree="t", value=0.5, metrics={"m": 0.5})
    pruned = Point(tree="u", status="pruned", pruned=MEDIAN)

    def of(point: Point) -> list[str]:
        return found(pruned=None, value=0.5, metrics={"m": 0.5}, points=(scored, point))

    assert of(pruned) == []
    assert of(pruned.model_copy(update={"pruned": None})) == [
        "point 2 of idea 1 does not tell where it was pruned"
    ]
    assert of(scored.model_copy(update={"pruned": MEDIAN})) == [
        "point 2 of idea 1 does not tell where it was pruned"
    ]
    assert of(pruned.model_copy(update={"value": 0.1})) == ["point 2 of idea 1 was pruned and has a value"]


@pytest.fixture
def lab(make_lab: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("PREFECT_LAB_HOME", str(tmp_path / "home"))
    rule = {"[budget]": "[feedback]\nmetric = false\n\n[budget]", '"tpe"': '"random"'}
    opened = Lab.open(make_lab(replace=rule))
    yield opened
    opened.close()


def test_without_the_metric_no_curve_and_no_number_is_told(lab: Lab) -> None:
    curves = {0: Curve(((1, 0.5), (3, 0.25)))}
    details = write_details(lab.repository, Details(), str, curves)
    (told,) = Feedback(lab).of(verdict(details=details))
    assert (told.pruned, dict(told.curve)) == (True, {})
    assert told.reason == "pruned at step 3 by median"


def test_curves_of_a_large_batch_are_thinned_and_damage_is_told(lab: Lab) -> None:
    curve = Curve(tuple((step, 0.5) for step in range(500)), out_of_order=2)
    tree = write_details(lab.repository, Details(), str, dict.fromkeys(range(100), curve))
    stored = read_curves(lab.repository, tree)
    assert len(stored) == 100 and all(len(entry.points) <= 160 for entry in stored.values())
    assert {(entry.points[-1], entry.out_of_order) for entry in stored.values()} == {((499, 0.5), 2)}
    assert read_curves(lab.repository, "") == {}
    with pytest.raises(LedgerError, match="cannot be read"):
        read_curves(lab.repository, spoiled(lab.repository, b'{"0": {"points": [[1, NaN]]}}'))


def spoiled(repository: Repository, data: bytes) -> str:
    from lab_plugin.repository import Blob

    return repository.write_tree({"curves.json": Blob(data=data)})


def test_verification_holds_a_pruned_idea_against_its_curve(lab: Lab) -> None:
    from lab_plugin.verification._pruned import pruned_problems

    def problems(curve: Curve, **fields: Any) -> list[str]:
        details = write_details(lab.repository, Details(), str, {0: curve})
        return said(verdict(details=details, **fields))

    def said(record: VerdictRecord) -> list[str]:
        class Found:
            state = State().with_record(record)
            ideas = {1: type("Place", (), {"commit": "c", "record": 3})()}

        return [problem.what for problem in pruned_problems(lab, Found())]  # type: ignore[arg-type]

    ends = ((1, 0.5), (3, 0.25))
    wrong = ["idea 1 was not pruned at the end of its curve"]
    assert problems(Curve(ends)) == []
    assert problems(Curve(ends[:1])) == wrong
    assert problems(Curve(((3, 0.26),))) == wrong
    assert problems(Curve((*ends, (4, 0.9)))) == wrong
    diverged = Pruned(step=2, value=None, pruner="diverged")
    assert problems(Curve(ends[:1]), pruned=diverged) == []
    assert problems(Curve(ends), pruned=diverged) == wrong
    (damaged,) = said(verdict(details="0" * 40))
    assert "cannot be read" in damaged


def test_a_run_in_mlflow_has_the_curve_of_its_point() -> None:
    curve = Curve(tuple((step, 0.5) for step in range(500)))
    draft = with_curves(idea_draft("k", verdict(), "m"), {0: curve})
    assert draft.status == "KILLED" and draft.tags["lab.pruned"] == "median at step 3"
    assert 200 <= len(draft.curve) <= 400 and draft.curve[-1] == (499, 0.5)
    points = (Point(tree="t", value=0.5, metrics={"m": 0.5}), Point(tree="u", status="pruned", pruned=MEDIAN))
    batch = with_curves(
        idea_draft("k", verdict(pruned=None, value=0.5, points=points), "m"), {1: curve.thin(2)}
    )
    assert [child.status for child in batch.children] == ["FINISHED", "KILLED"]
    assert [child.curve for child in batch.children] == [(), ((0, 0.5), (499, 0.5))]
    assert batch.curve == ()
