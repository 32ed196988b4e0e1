import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.promotion import Decided, Quantile, Threshold, TopK, can_fire
from tests.promotion.conftest import GOALS, feed, flat


@pytest.mark.parametrize(
    ("rule", "total", "bounds", "goal", "why"),
    [
        (TopK(5, 3), None, None, "maximize", "the best 5 of every 3 are more than there are"),
        (Quantile(0.1), 9, None, "maximize", "it takes 10 ideas"),
        (Quantile(1 / 3), 2, None, "minimize", "it takes 3 ideas"),
        (Quantile(0.5), 1, None, "maximize", "at most 1 idea is"),
        (Threshold(1.5), None, (0, 1), "maximize", "the metric is never more than 1, and the bar is 1.5"),
        (Threshold(-0.1), 9, (0, 1), "minimize", "the metric is never less than 0, and the bar is -0.1"),
    ],
)
def test_a_rule_that_can_never_fire_is_found(rule, total, bounds, goal, why):
    assert why in can_fire(rule, total, bounds, goal)


@pytest.mark.parametrize(
    ("rule", "total", "bounds", "goal"),
    [
        (TopK(3, 3), 2, None, "maximize"),
        (TopK(3, 30), 2, None, "maximize"),
        (TopK(30), 2, None, "maximize"),
        (Quantile(0.1), 10, None, "maximize"),
        (Quantile(0.01), None, None, "maximize"),
        (Threshold(1), None, (0, 1), "maximize"),
        (Threshold(0), None, (0, 1), "minimize"),
        (Threshold(9), None, (0, math.inf), "maximize"),
        (Threshold(9), None, None, "maximize"),
        (Decided(), 1, (0, 1), "maximize"),
    ],
)
def test_a_rule_that_can_fire_is_left_alone(rule, total, bounds, goal):
    assert can_fire(rule, total, bounds, goal) == ""


@given(
    st.one_of(
        st.builds(Quantile, st.floats(0.01, 1)), st.builds(TopK, st.integers(1, 9), st.integers(9, 20))
    ),
    st.integers(1, 60),
    st.sampled_from(GOALS),
)
def test_it_says_what_a_rung_does(rule, total, goal):
    rung, answers = feed(rule, goal, [float(number % 7) for number in range(total)])
    assert bool(flat([*answers, rung.finish()])) == (can_fire(rule, total, None, goal) == "")
