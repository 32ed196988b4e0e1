import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.decision import ErrorBudget, Level, Margin, Noise, Pairs, Rules, estimate_noise, missing_seeds

RULES = Rules(metric="m", goal="maximize")
EXACT = estimate_noise([0.5] * 3)
SPENT = Level(0.0, 0.0)
scores = st.lists(st.floats(min_value=-6, max_value=6), min_size=1, max_size=20)
ordinary = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


def test_clear_cases(judge):
    kept = judge(RULES, [4.0, 4.5, 3.6, 4.2])
    assert kept.state == "keep"
    assert kept.controlled
    assert kept.statement.low > 0
    assert 0 < kept.statement.error_spent < 0.05 / 200
    assert judge(RULES, [-2.0]).state == "revert"
    assert judge(RULES, [0.3]).state == "continue"
    assert "hardly" in judge(RULES, [0.1] * 8).reason


def test_close_ones_end_inconclusive(judge):
    few = replace(RULES, max_repeats=3)
    assert judge(few, [0.9] * 2).state == "continue"
    ended = judge(few, [0.9] * 3)
    assert ended.state == "inconclusive"
    assert not ended.controlled
    assert judge(RULES, [0.9] * 3).state == "continue"


@ordinary
@given(gains=scores)
def test_goals_mirror_each_other(judge, gains):
    up = judge(RULES, gains)
    down = judge(replace(RULES, goal="minimize"), [-gain for gain in gains])
    assert (up.state, up.statement.evidence) == (down.state, down.statement.evidence)
    if up.statement.low is not None:
        assert down.statement.high == pytest.approx(-up.statement.low)
    if up.statement.corrected is not None:
        assert down.statement.corrected == pytest.approx(-up.statement.corrected)


@ordinary
@given(gains=scores, power=st.integers(-40, 40), shift=st.sampled_from([-8.0, 0.0, 4.0]))
def test_units_and_origin_do_not_matter(judge, gains, power, shift):
    gains = [round(gain * 64) / 64 for gain in gains]
    scale = 2.0**power
    plain = judge(RULES, gains)
    moved = judge(
        RULES,
        [(gain + shift) * scale for gain in gains],
        [shift * scale] * len(gains),
        noise=Noise(sd=2**-0.5 * scale, origin="stated"),
    )
    assert moved.state == plain.state
    assert moved.statement.evidence == pytest.approx(plain.statement.evidence, abs=1e-9)


@ordinary
@given(gains=scores, data=st.data())
def test_more_for_a_candidate_never_turns_a_keep_into_a_revert(judge, gains, data):
    lift = data.draw(st.floats(min_value=0, max_value=4))
    gains = [gain + lift for gain in gains]
    more = [gain + data.draw(st.floats(min_value=0, max_value=100)) for gain in gains]
    for noise in (Noise(sd=2**-0.5, origin="stated"), Noise(sd=2**-0.5, df=4)):
        before, after = judge(RULES, gains, noise=noise).state, judge(RULES, more, noise=noise).state
        assert not (before == "keep" and after == "revert")
        assert not (before in ("keep", "continue") and after == "revert")


@ordinary
@given(gains=scores, later=scores)
def test_repeats_after_a_clear_answer_do_not_turn_it(judge, gains, later):
    first, then = judge(RULES, gains).state, judge(RULES, gains + later).state
    if first == "revert":
        assert then == "revert"
    if first == "keep":
        # A mean that is no longer ahead takes the keep back, and proves nothing.
        assert then != "revert"


def test_the_margin_is_part_of_the_hypothesis(judge):
    gains = [1.5, 1.2, 1.8, 1.4] * 6
    assert judge(RULES, gains).state == "keep"
    assert judge(replace(RULES, min_improvement=Margin(1.5)), gains).state == "revert"
    relative = replace(RULES, min_improvement=Margin(0.01, relative=True))
    raised = [150 + gain for gain in gains]
    assert judge(relative, raised, [150.0] * 24).state == "revert"
    assert judge(relative, raised, [20.0] * 24).state == "keep"
    mirrored = replace(relative, goal="minimize")
    assert judge(mirrored, [-value for value in raised], [-150.0] * 24).state == "revert"


def test_noise_that_is_only_estimated_asks_for_more(judge):
    gains, estimated = [4.0, 4.5, 3.6, 4.2], Noise(sd=2**-0.5, df=4)
    assert judge(RULES, gains, noise=estimated).state == "continue"
    assert judge(RULES, gains * 4, noise=estimated).state == "keep"


def test_one_lucky_score_is_not_enough(judge):
    assert judge(RULES, [1e300]).state == "continue"
    assert judge(RULES, [1e300, 0.1, -0.2]).state == "continue"
    assert judge(RULES, [1e300] + [0.0] * 12).state != "keep"


def test_often_a_little_better_and_now_and_then_far_worse_is_not_kept(judge):
    gains = [1.0] * 30 + [-60.0]
    assert judge(RULES, gains[:12], noise=Noise(sd=2**-0.5, df=4)).state == "continue"
    spoiled = [*gains[:3], -60.0, *gains[3:]]
    assert judge(RULES, spoiled).state == "revert"


def test_keeps_before_help_in_the_end(judge):
    few, gains = replace(RULES, max_repeats=4), [2.2] * 4
    level = ErrorBudget(0.05).level(1)
    assert judge(few, gains, level=level).state == "inconclusive"
    easier = Level(level.base, level.base * 60)
    assert judge(few, gains, level=easier).state == "keep"
    assert judge(few, gains[:3], level=easier).state == "continue"


def test_without_error_left_nothing_is_kept_and_nothing_more_is_spent(judge):
    assert judge(RULES, [9.0] * 5, level=SPENT).state == "inconclusive"
    assert judge(RULES, [-9.0], level=SPENT).state == "revert"


def test_without_noise_values_are_compared_exactly_and_a_keep_is_seen_twice(judge):
    assert judge(RULES, [0.6], [0.5], noise=EXACT).state == "continue"
    kept = judge(RULES, [0.6, 0.6], [0.5, 0.5], noise=EXACT)
    assert kept.state == "keep"
    assert not kept.controlled
    assert judge(RULES, [0.5], [0.5], noise=EXACT).state == "revert"
    assert judge(replace(RULES, max_repeats=1), [0.6], [0.5], noise=EXACT).state == "keep"


def test_a_scorer_that_is_not_deterministic_is_found_out_switched_and_said(judge):
    decision = judge(RULES, [0.6, 0.61], [0.5, 0.5], noise=EXACT)
    assert decision.state == "continue"
    assert "taken for deterministic" in decision.reason
    assert decision.found["m"].origin == "found"
    assert judge(RULES, [0.6, 0.4], [0.5, 0.5], noise=EXACT).state != "keep"


def test_ties_and_bounds_are_no_improvement(judge):
    assert judge(RULES, [1.0] * 8, [1.0] * 8).state == "revert"


def test_only_finite_values_on_common_seeds():
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError):
            Pairs((bad,), (1.0,))
        with pytest.raises(ValueError):
            Pairs((1.0,), (bad,))
    with pytest.raises(ValueError):
        Pairs((1.0, 2.0), (1.0,))
    with pytest.raises(ValueError):
        Pairs((), ())
    pairs = Pairs.of({3: 1.0, 1: 2.0, 9: 4.0}, {1: 0.5, 3: 0.25})
    assert pairs == Pairs((1.0, 2.0), (0.25, 0.5))
    assert missing_seeds([3, 1, 9], {1: 0.5, 3: 0.25}) == [9]
    with pytest.raises(ValueError):
        Pairs.of({1: 1.0}, {2: 1.0})


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_very_small_and_very_large_scores(judge, scale):
    noise = Noise(sd=scale / 2, origin="stated")
    gains = [4 * scale, 4.5 * scale, 3.6 * scale, 4.2 * scale]
    kept = judge(RULES, gains, noise=noise)
    assert kept.state == "keep"
    assert kept.statement.low > 0
    assert math.isfinite(kept.statement.corrected)
    huge = judge(RULES, [1.7e308] * 6, [-1.7e308] * 6, noise=noise)
    assert huge.state == "keep"
    assert huge.statement.difference is None
    assert "too large" in huge.sentence
    assert judge(RULES, [-1.7e308], [1.7e308], noise=noise).state == "revert"


def test_the_interval_covers_the_truth_at_all_times(judge):
    import numpy as np

    rng, missed = np.random.default_rng(9), 0
    rules = replace(RULES, confidence=0.8)
    for _ in range(60):
        gains = list(rng.standard_normal(20))
        ends = [judge(rules, gains[:count], level=SPENT).statement for count in (2, 5, 10, 20)]
        missed += any((end.low or -9) > 0 or (end.high or 9) < 0 for end in ends)
    assert missed <= 0.2 * 60 + 3


def test_a_metric_that_was_not_compared(judge):
    with pytest.raises(ValueError, match="'n'"):
        judge(replace(RULES, metric="n"), [1.0])
