"""What a scorecard may say of samples, and what only the host may say."""

import json
from typing import Any

import pytest

from lab_plugin.scorer import Sample, ScorecardFault, parse_scorecard


def card(**fields: Any) -> bytes:
    return json.dumps({"metrics": {"m": 1}, **fields}).encode()


def test_a_sample_may_carry_a_note() -> None:
    samples = [{"id": "a", "score": 1}, {"id": "b", "score": 2, "note": "blurred"}]
    assert parse_scorecard(card(samples=samples), "m").samples == (
        Sample("a", 1.0),
        Sample("b", 2.0, "blurred"),
    )


@pytest.mark.parametrize("note", [None, 3, ["a"], "a\nb", "\x1b[31m", "\u202e", "\ud800", "a" * 1_001])
def test_a_note_is_a_short_printable_string(note: Any) -> None:
    with pytest.raises(ScorecardFault, match="note of sample 'a'"):
        parse_scorecard(card(samples=[{"id": "a", "score": 1, "note": note}]), "m")


@pytest.mark.parametrize("name", ["usage.cpu_seconds", "usage.anything", "usage."])
def test_no_scorecard_holds_what_the_host_measures(name: str) -> None:
    with pytest.raises(ScorecardFault, match="measured by the host"):
        parse_scorecard(card(metrics={"m": 1, name: 0}), "m")


def test_a_metric_of_the_host_is_not_asked_of_the_scorecard() -> None:
    assert parse_scorecard(card(), "usage.cpu_seconds").metrics == {"m": 1.0}
    with pytest.raises(ScorecardFault, match="missing"):
        parse_scorecard(card(), "n")
