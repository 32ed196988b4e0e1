"""`lab diagnose` as it is typed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.cli import main
from tests.test_diagnosis import Desk

Call = Callable[..., str]


@pytest.fixture
def call(
    make_lab: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    monkeypatch.setenv("PREFECT_LAB_HOME", str(tmp_path / "home"))
    folder = make_lab()
    desk = Desk(folder)
    desk.lock({f"s{number}": float(number) for number in range(5)})
    desk.decide(1, {"s0": 9.0, "s1": 1.0, "new": 2.0})

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["lab", "diagnose", *arguments, "--lab", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return run


def test_the_table_shows_the_worst_samples(call: Call) -> None:
    shown = call("baseline", "--limit", "2").splitlines()
    assert shown[0] == "baseline: value 2, 5 samples (lower is better; the worst first)"
    assert [line.split()[:2] for line in shown[2:4]] == [["s4", "4"], ["s3", "3"]]
    assert shown[4] == "and 3 more; --limit shows them"
    assert shown[-2:] == ["The scorer said:", "what it said"]


def test_a_comparison_names_what_is_missing(call: Call) -> None:
    shown = call("1", "--against", "champion")
    assert shown.splitlines()[2].split()[:4] == ["s0", "9", "0", "9"]
    assert "3 samples are missing from idea 1: s2, s3, s4" in shown
    assert "1 samples are missing from baseline: new" in shown


def test_the_document(call: Call) -> None:
    found = json.loads(call("1", "--against", "champion", "--limit", "1", "--json"))
    assert found["idea"] == {"name": "idea 1", "number": 1, "epoch": 1, "tier": "final", "value": 1.0}
    assert found["samples"] == [
        {"id": "s0", "score": 9.0, "against": 0.0, "difference": 9.0, "note": "note of s0"}
    ]
    assert (found["count"], found["direction"]) == (2, "lower_is_better")
    assert found["missing"] == {"idea 1": ["s2", "s3", "s4"], "baseline": ["new"]}


def test_one_sample_over_ideas(call: Call) -> None:
    scorings = json.loads(call("--sample", "s0", "--json"))["scorings"]
    assert [(item["name"], item["score"]) for item in scorings] == [("idea 1", 9.0), ("baseline", 0.0)]
    assert "note of s0" in call("--sample", "s0")


def test_what_is_not_there_is_a_message(call: Call) -> None:
    assert "No sample 'nope'" in call("--sample", "nope", code=1)
    assert "fits '7'" in call("7", code=1)
