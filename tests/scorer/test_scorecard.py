import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.scorer import ScorecardFault, parse_scorecard

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def parse(document: Any, metric: str = "m") -> Any:
    return parse_scorecard(json.dumps(document).encode(), metric)


def test_an_honest_scorecard() -> None:
    card = parse({"metrics": {"m": 0.5, "n": 3}, "samples": [{"id": "a", "score": 1}], "feedback": "go on"})
    assert card.metrics == {"m": 0.5, "n": 3.0}
    assert card.samples[0].score == 1.0
    assert card.feedback == "go on"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"metrics": {"m": NaN}}', "NaN"),
        ('{"metrics": {"m": Infinity}}', "Infinity"),
        ('{"metrics": {"m": -Infinity}}', "Infinity"),
        ('{"metrics": {"m": 1e999}}', "not finite"),
        ('{"metrics": {"m": ' + "9" * 400 + "}}", "not finite"),
        ('{"metrics": {"m": ' + "9" * 9000 + "}}", "not JSON"),
        ('{"metrics": {"m": "1"}}', "a string"),
        ('{"metrics": {"m": true}}', "a boolean"),
        ('{"metrics": {"m": null}}', "null"),
        ('{"metrics": {"m": [1]}}', "no number"),
        ('{"metrics": {"n": 1}}', "missing"),
        ('{"metrics": {}}', "missing"),
        ('{"metrics": [1]}', "no object"),
        ("{}", "no object"),
        ('{"metrics": {"m": 1, "m": 2}}', "duplicate"),
        ('{"metrics": {"m": 1}, "metrics": {"m": 2}}', "duplicate"),
        ('{"metrics": {"m": 1, "a\\nb": 2}}', "not printable"),
        ('{"metrics": {"m": 1, "": 2}}', "empty"),
        ('{"metrics": {"m": 1}, "extra": 1}', "unknown"),
        ('{"metrics": {"m": 1}, "samples": {}}', "not a list"),
        ('{"metrics": {"m": 1}, "samples": [{"id": "a"}]}', "sample"),
        ('{"metrics": {"m": 1}, "samples": [{"id": 1, "score": 1}]}', "id"),
        ('{"metrics": {"m": 1}, "samples": [{"id": "a", "score": NaN}]}', "NaN"),
        ('{"metrics": {"m": 1}, "samples": [{"id": "a", "score": 1}, {"id": "a", "score": 2}]}', "same id"),
        ('{"metrics": {"m": 1}, "feedback": 1}', "not a string"),
        ('{"metrics": {"m": 1}, "feedback": "\\ud800"}', "Unicode"),
        ("[]", "object"),
        ("", "not JSON"),
        ("[" * 100_000, "nested"),
    ],
)
def test_what_is_no_scorecard(text: str, word: str) -> None:
    with pytest.raises(ScorecardFault, match=word):
        parse_scorecard(text.encode(), "m")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ScorecardFault):
        parse_scorecard(b"\xff\xfe{}", "m")
    with pytest.raises(ScorecardFault, match="larger"):
        parse_scorecard(b" " * (17 << 20), "m")


@given(json_values)
def test_anything_parses_to_finite_numbers_or_is_refused(document: Any) -> None:
    try:
        card = parse({"metrics": {"m": 1.0, "other": document}})
    except ScorecardFault:
        return
    assert all(math.isfinite(value) for value in card.metrics.values())


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with pytest.raises(ScorecardFault):
        parse_scorecard(data, "a metric that is not there")
