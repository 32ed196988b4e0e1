"""What a proposer is told: exactly what `[feedback]` names, clean, bounded, and nothing of a hold-out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.details import Details, write_details
from lab_plugin.errors import LedgerError
from lab_plugin.feedback import NEWEST, Feedback
from lab_plugin.lab import Lab
from lab_plugin.ledger import Point, VerdictRecord
from lab_plugin.scorer import Sample

SAMPLES = tuple(
    Sample(f"{kind}-{number}", number / 10, "why\u202e") for kind in ("open", "held") for number in range(9)
)
SAID = Details(SAMPLES, "close\x1b[31m to it\u200b", "Traceback\n  boom")
SECRET = "the hold-out fell from 0.91 to 0.42"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is mirrored here, so there is no MLflow store."""
    monkeypatch.setenv("PREFECT_LAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def open_lab(make_lab: Callable[..., Path], home: Path) -> Callable[[str], Lab]:
    def make(rule: str) -> Lab:
        text = "[budget]\niterations = 100\n"
        return Lab.open(make_lab(replace={text: f"{text}\n[feedback]\n{rule}\n", '"tpe"': '"random"'}))

    return make


def record(lab: Lab, **fields: Any) -> VerdictRecord:
    values = {
        "at": "2026-01-31T04:05:06Z", "number": 3, "slug": "s", "branch": "b", "campaign": 1, "epoch": 1,
        "strategy": "random", "hypothesis": "h", "title": "A title", "commit": "c", "tree": "t",
        "parents": ("p",), "verdict": "reverted", "reason": f"worse by 0.3; {SECRET}", "value": 6.5,
        "champion_value": 6.2, "sandbox": "bubblewrap",
        "details": write_details(lab.repository, SAID, lab.redactor.text), **fields,
    }  # fmt: skip
    return VerdictRecord(**values)


def test_the_default_tells_what_helps_and_no_samples(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("")
    (told,) = Feedback(lab).of(record(lab))
    assert (told.value, told.verdict, told.reason) == (6.5, "reverted", "6.5, and the champion 6.2")
    assert (told.feedback, told.stderr, told.samples) == ("close to it", "Traceback\nboom", ())


def test_nothing_is_told_where_nothing_is_allowed(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab('metric = false\nstatus = false\nstderr = "none"\nscorer_feedback = false')
    for fields in ({}, {"value": None, "verdict": "crashed", "reason": "candidate exit status 1\nboom"}):
        (told,) = Feedback(lab).of(record(lab, **fields))
        assert (told.number, told.title) == (3, "A title")
        assert (told.value, told.verdict, told.reason) == (None, "", "")
        assert (told.feedback, told.stderr, told.samples) == ("", "", ())


def test_without_the_metric_a_reason_holds_no_number(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("metric = false")
    (told,) = Feedback(lab).of(record(lab))
    assert (told.value, told.verdict, told.reason) == (None, "reverted", "")


@pytest.mark.parametrize("rule", ["", "metric = false", 'samples = "public"\npublic = ["open-*"]'])
def test_a_hold_out_is_never_told(rule: str, open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab(rule)
    points = tuple(
        Point(tree=tree, value=1.0, params={"x": 1}, metrics={"holdout": 0.42}) for tree in ("t", "u")
    )
    for fields in ({}, {"points": points}, {"duplicate_of": 1}, {"metrics": {"holdout": 0.42}}):
        for told in Feedback(lab).of(record(lab, **fields)):
            assert "0.42" not in repr(told) and "hold-out" not in repr(told)


def test_public_samples_are_told_worst_first_and_capped(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab('samples = "public"\npublic = ["open-[0-6]", "open-8"]\nworst = 3')
    (told,) = Feedback(lab).of(record(lab))
    # Rosenbrock's goal is to minimize: the highest score is the worst.
    assert told.samples == (
        Sample("open-8", 0.8, "why"),
        Sample("open-6", 0.6, "why"),
        Sample("open-5", 0.5, "why"),
    )


def test_a_pattern_matches_whole_ids(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab('samples = "public"\npublic = ["open", "held-1?"]')
    (told,) = Feedback(lab).of(record(lab))
    assert told.samples == ()


def test_the_scorers_own_stderr_is_never_told(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("")
    reason = "scorer exit status 1\nKeyError: label of sample 7 is 3"
    (told,) = Feedback(lab).of(record(lab, value=None, verdict="crashed", reason=reason, details=""))
    assert (told.reason, told.stderr) == ("scorer exit status 1", "")


def test_texts_are_bounded(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("stderr_bytes = 30")
    details = write_details(lab.repository, Details((), "f" * 60_000, "e" * 60_000), lab.redactor.text)
    (told,) = Feedback(lab).of(record(lab, details=details, value=None, reason="r" * 9_000))
    assert (len(told.feedback), len(told.stderr), len(told.reason)) == (8_000, 30, 500)


def test_a_proposer_is_told_why_its_own_proposal_failed(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("")
    fields = {"value": None, "verdict": "crashed", "sandbox": "", "details": ""}
    (told,) = Feedback(lab).of(record(lab, **fields, reason="the program failed:\n    no idea"))
    assert told.reason == "the program failed:\nno idea"


def test_points_of_a_batch_are_told_one_by_one(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("")
    points = (
        Point(tree="t", value=6.5, params={"x": 1}),
        Point(tree="u", value=7.5, params={"x": 2}),
        Point(tree="v", status="crashed", reason="candidate exit status 1\nboom", params={"x": 3}),
    )
    told = Feedback(lab).of(record(lab, points=points, verdict="kept"))
    assert [outcome.verdict for outcome in told] == ["kept", "reverted", "crashed"]
    assert [outcome.value for outcome in told] == [6.5, 7.5, None]
    assert [outcome.params for outcome in told] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert told[2].reason == "candidate exit status 1"
    assert [bool(outcome.feedback) for outcome in told] == [True, False, False]


def test_a_history_is_told_as_it_was_told_live(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("")
    feedback = Feedback(lab)
    records = [record(lab, number=number, epoch=1 + (number > 2)) for number in range(1, NEWEST + 6)]
    told = list(feedback.history(records, 2, 4))
    assert [outcome.number for outcome in told] == list(range(5, NEWEST + 6))
    assert told[-NEWEST:] == [outcome for item in records[-NEWEST:] for outcome in feedback.of(item)]
    assert told[0].feedback == ""
    assert told[0].value == 6.5


def test_missing_details_are_told(open_lab: Callable[[str], Lab]) -> None:
    lab = open_lab("")
    with pytest.raises(LedgerError, match="cannot be read"):
        Feedback(lab).of(record(lab, details="1" * 40))
