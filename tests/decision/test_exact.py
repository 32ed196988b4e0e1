import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.decision import ExactRule, open_rule
from lab_plugin.errors import ConfigError

finite = st.floats(allow_nan=False, allow_infinity=False)
margins = st.floats(min_value=0, max_value=1e308)


@given(value=finite, champion=finite, margin=margins)
def test_goals_mirror_each_other(value: float, champion: float, margin: float) -> None:
    up = ExactRule("maximize", margin).compare(value, champion)
    down = ExactRule("minimize", margin).compare(-value, -champion)
    assert up.verdict == down.verdict


@given(value=finite, margin=margins)
def test_equal_is_never_kept(value: float, margin: float) -> None:
    assert ExactRule("maximize", margin).compare(value, value).verdict == "reverted"


@given(value=finite, champion=finite)
def test_without_a_margin_any_gain_is_kept(value: float, champion: float) -> None:
    assert (ExactRule("maximize").compare(value, champion).verdict == "kept") == (value > champion)


@given(value=finite, better=finite, champion=finite, margin=margins)
def test_a_better_value_never_turns_a_keep_into_a_revert(
    value: float, better: float, champion: float, margin: float
) -> None:
    rule = ExactRule("maximize", margin)
    if better >= value and rule.compare(value, champion).verdict == "kept":
        assert rule.compare(better, champion).verdict == "kept"


def test_the_margin_is_part_of_the_rule() -> None:
    rule = ExactRule("maximize", 0.25)
    assert rule.compare(1.25, 1.0).verdict == "kept"
    assert rule.compare(1.2499, 1.0).verdict == "reverted"
    assert "0.25" in rule.compare(1.2, 1.0).reason


def test_a_difference_beyond_floats_decides_and_is_not_recorded() -> None:
    comparison = ExactRule("maximize").compare(1.7e308, -1.7e308)
    assert comparison.verdict == "kept"
    assert comparison.difference is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_comparison_without_numbers(bad: float) -> None:
    with pytest.raises(ValueError):
        ExactRule("maximize").compare(bad, 1.0)
    with pytest.raises(ValueError):
        ExactRule("maximize").compare(1.0, bad)


def test_unknown_policy() -> None:
    with pytest.raises(ConfigError, match="significant"):
        open_rule("significant", "maximize", 0.0)
