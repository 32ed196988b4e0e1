"""The worst samples, from a ledger alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.details import FOLDER, Details, write_details
from lab_plugin.diagnosis import diagnose, sample_history
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import CampaignRecord, LockRecord, VerdictRecord
from lab_plugin.repository import Blob
from lab_plugin.scorer import Sample
from tests.conftest import git

AT = "2026-01-31T04:05:06Z"


class Desk:
    """Writes a ledger with the details of made-up scorings."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab.open(folder)
        self.repository = self.lab.repository
        self.base = self.repository.head()

    def details(self, scores: dict[str, float]) -> str:
        samples = tuple(Sample(name, score, f"note of {name}") for name, score in scores.items())
        return write_details(self.repository, Details(samples, "what it said"), str)

    def lock(self, scores: dict[str, float], epoch: int = 1, number: int = 0, commit: str = "") -> None:
        details = self.details(scores)
        entries = self.repository.entries(details) if details else {}
        tree = self.repository.write_tree(
            {
                "lab.toml": Blob(b""),
                **{f"{FOLDER}/{path}": Blob(oid=entry.oid) for path, entry in entries.items()},
            }
        )
        record = LockRecord(
            at=AT, lab=self.lab.name, epoch=epoch, reason="r", digest=f"d{epoch}", metric="value",
            goal="minimize", commit=commit or self.base, tree=tree, value=2.0, champion=number,
        )  # fmt: skip
        self.lab.ledger.append(record, candidate=record.commit, tree=tree)
        if epoch == 1:
            opened = CampaignRecord(at=AT, campaign=1, event="opened", strategy="tpe")
            self.lab.ledger.append(opened, candidate=None)

    def decide(self, number: int, scores: dict[str, float], verdict: str = "reverted", **fields: Any) -> str:
        tree = self.repository.edit_tree(self.repository.tree_of(self.base), {"n": Blob(b"%d" % number)})
        commit = self.repository.commit(tree, [self.base], f"idea {number}")
        lock = self.lab.ledger.state().lock
        assert lock is not None
        values: dict[str, Any] = {
            "at": AT, "number": number, "slug": "s", "branch": f"lab/x/ideas/{number:04d}-s", "campaign": 1,
            "epoch": lock.epoch, "digest": lock.digest, "strategy": "tpe", "hypothesis": "h",
            "commit": commit, "tree": tree, "parents": (self.base,), "verdict": verdict, "reason": "r",
            "value": 1.0, "champion_value": 2.0, "details": self.details(scores), **fields,
        }  # fmt: skip
        record = VerdictRecord(**values)
        self.lab.ledger.append(record, candidate=commit, tree=record.details or None)
        return commit


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is mirrored here, so there is no MLflow store."""
    monkeypatch.setenv("PREFECT_LAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def desk(make_lab: Callable[..., Path], home: Path) -> Desk:
    made = Desk(make_lab())
    made.lock({"a": 1.0, "b": 5.0, "c": 2.0})
    return made


def test_the_worst_sample_comes_first_in_the_direction_of_the_metric(desk: Desk) -> None:
    found = diagnose(desk.lab)
    assert (found.idea.name, found.direction) == ("baseline", "lower_is_better")
    assert [(row.id, row.score) for row in found.rows] == [("b", 5.0), ("c", 2.0), ("a", 1.0)]
    assert found.rows[0].note == "note of b"
    assert found.feedback == "what it said"


def test_the_direction_of_samples_may_differ(make_lab: Callable[..., Path], home: Path) -> None:
    replace = {'goal    = "minimize"': 'goal    = "minimize"\nsamples = "higher_is_better"'}
    desk = Desk(make_lab(replace=replace))
    desk.lock({"a": 1.0, "b": 5.0})
    desk.decide(1, {"a": 0.5, "b": 9.0})
    assert [row.id for row in diagnose(desk.lab).rows] == ["a", "b"]
    assert [row.difference for row in diagnose(desk.lab, "1", "champion").rows] == [-0.5, 4.0]


def test_two_scorings_are_paired_by_id_and_the_greatest_loss_comes_first(desk: Desk) -> None:
    desk.decide(1, {"d": 9.0, "b": 4.0, "a": 3.0})
    found = diagnose(desk.lab, "1", "champion")
    assert [(row.id, row.against, row.difference) for row in found.rows] == [
        ("a", 1.0, 2.0),
        ("b", 5.0, -1.0),
    ]
    assert (found.only_idea, found.only_against) == (("d",), ("c",))


def test_the_champion_is_the_newest_keep(desk: Desk) -> None:
    desk.decide(1, {"a": 0.1}, "kept")
    desk.decide(2, {"a": 0.2})
    assert diagnose(desk.lab).idea.name == "idea 1"
    assert diagnose(desk.lab, "2", "best").rows[0].against == 0.1
    assert diagnose(desk.lab, "2", "baseline").rows[0].against == 1.0


def test_a_duplicate_has_the_samples_of_its_twin(desk: Desk) -> None:
    desk.decide(1, {"a": 0.1})
    desk.decide(2, {}, duplicate_of=1, details="")
    desk.decide(3, {}, duplicate_of=0, details="")
    assert diagnose(desk.lab, "2").rows[0].score == 0.1
    assert len(diagnose(desk.lab, "3").rows) == 3


def test_scores_of_two_epochs_are_never_compared(desk: Desk) -> None:
    commit = desk.decide(1, {"a": 0.1}, "kept")
    desk.lock({"a": 7.0}, epoch=2, number=1, commit=commit)
    champion = diagnose(desk.lab).idea
    assert (champion.name, champion.epoch, diagnose(desk.lab).rows[0].score) == ("idea 1", 2, 7.0)
    with pytest.raises(LabError, match="different epochs are never compared"):
        diagnose(desk.lab, "1", "champion")


def test_what_has_no_samples_says_so(desk: Desk) -> None:
    desk.decide(1, {})
    with pytest.raises(LabError, match="idea 1 holds no samples"):
        diagnose(desk.lab, "1")


def test_one_sample_over_ideas(desk: Desk) -> None:
    desk.decide(1, {"a": 0.5})
    desk.decide(2, {"b": 0.5})
    desk.decide(3, {})
    found = sample_history(desk.lab, "a", 10)
    assert [(item.subject.name, item.score, item.note) for item in found] == [
        ("idea 2", None, ""),
        ("idea 1", 0.5, "note of a"),
        ("baseline", 1.0, "note of a"),
    ]
    assert len(sample_history(desk.lab, "a", 2)) == 2
    with pytest.raises(LabError, match="No sample 'z'"):
        sample_history(desk.lab, "z", 10)


def test_a_clone_without_anything_else_diagnoses(desk: Desk, tmp_path: Path) -> None:
    desk.decide(1, {"a": 0.5, "b": 9.0})
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(desk.repository.top), str(folder))
    git(folder, "fetch", "-q", "origin", f"{desk.lab.ledger.ref}:{desk.lab.ledger.ref}")
    assert [row.id for row in diagnose(Lab.open(folder), "1").rows] == ["b", "a"]


def test_a_verdict_with_details_proves_whole_and_one_with_others_does_not(desk: Desk) -> None:
    def told() -> str:
        return "\n".join(str(problem) for problem in desk.lab.ledger.verify())

    desk.decide(1, {"a": 0.5})
    assert "its tree" not in told()
    state = desk.lab.ledger.state()
    forged = state.ideas[1].model_copy(update={"number": 2, "branch": "lab/x/ideas/0002-s"})
    other = desk.details({"a": 0.9})
    desk.lab.ledger.append(forged, candidate=forged.commit, tree=other)
    assert "its tree is not the one of the record" in told()
