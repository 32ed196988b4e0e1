import math
from dataclasses import replace

import pytest

from lab_plugin.decision import (
    ErrorBudget,
    Evidence,
    Guard,
    Margin,
    Noise,
    Objective,
    Pairs,
    Rules,
    confirm,
    decide,
    estimate_noise,
    look_for_drift,
)

RULES = Rules(metric="m", goal="maximize")
NOISE = Noise(sd=2**-0.5, origin="stated")
NONE = estimate_noise([1.0] * 3)
GOOD = [4.0, 4.5, 3.6, 4.2, 3.9, 4.1, 4.4, 3.8]


def both(rules, first, second, noises=(NOISE, NOISE), champions=None, **more):
    champions = champions or ([0.0] * len(first), [0.0] * len(second))
    metrics = {
        "m": Pairs(tuple(first), tuple(champions[0])),
        "n": Pairs(tuple(second), tuple(champions[1])),
    }
    level = ErrorBudget(rules.error, rules.tries).level(1)
    return decide(rules, dict(zip("mn", noises, strict=True)), Evidence(metrics=metrics, **more), level)


def test_exact(judge):
    rules = replace(RULES, policy="exact")
    assert judge(rules, [0.6], [0.5]).state == "keep"
    assert judge(rules, [0.5], [0.5]).state == "revert"
    assert judge(replace(rules, min_improvement=Margin(0.25)), [0.7], [0.5]).state == "revert"
    assert judge(replace(rules, min_improvement=Margin(0.25, relative=True)), [0.7], [0.5]).state == "keep"


def test_greedy_keeps_the_higher_mean_and_says_that_nothing_is_controlled(judge):
    rules = replace(RULES, policy="greedy", repeats=3)
    assert judge(rules, [0.1]).state == "continue"
    kept = judge(rules, [0.1, -0.3, 0.4])
    assert kept.state == "keep"
    assert not kept.controlled
    assert "no control" in kept.reason
    assert judge(rules, [0.1, -0.3, 0.1]).state == "revert"
    assert judge(replace(rules, goal="minimize"), [0.1, -0.3, 0.1]).state == "keep"


def test_threshold(judge):
    rules = replace(RULES, policy="threshold", bar=0.9)
    assert judge(rules, [0.9], [0.5]).state == "keep"
    assert judge(rules, [0.89], [0.5]).state == "revert"
    assert judge(rules, [0.95], [0.96]).state == "revert"
    lower = replace(rules, goal="minimize", bar=0.1)
    assert judge(lower, [0.05], [0.5]).state == "keep"
    with pytest.raises(ValueError):
        replace(RULES, policy="threshold")


@pytest.mark.parametrize(
    ("guard", "fine", "broken"),
    [
        (Guard(metric="n", kind="at_most", limit=50.0), 40.0, 60.0),
        (Guard(metric="n", kind="at_least", limit=20.0), 40.0, 10.0),
        (Guard(metric="n", kind="may_rise", limit=0.1, relative=True), 42.0, 60.0),
        (Guard(metric="n", kind="may_fall", limit=5.0), 38.0, 10.0),
    ],
)
def test_guards(guard, fine, broken):
    rules, champions = replace(RULES, guards=(guard,)), ([0.0] * 8, [40.0] * 8)
    for noise in (NOISE, NONE):
        assert both(rules, GOOD, [fine] * 8, (NOISE, noise), champions).state == "keep"
        decision = both(rules, GOOD, [broken] * 8, (NOISE, noise), champions)
        assert decision.state == "revert"
        assert "guard 'n'" in decision.reason
        assert "is broken" in decision.reason


def test_a_guard_within_the_noise_is_not_passed_by_luck():
    rules = replace(RULES, guards=(Guard(metric="n", kind="may_rise", limit=0.1),), max_repeats=8)
    assert both(rules, GOOD[:4], [0.0] * 4).state == "continue"
    ended = both(rules, GOOD, [0.0] * 8)
    assert ended.state == "inconclusive"
    assert "not shown to hold" in ended.reason
    lenient = replace(rules, guards=(replace(rules.guards[0], shown=False),))
    assert both(lenient, GOOD, [0.0] * 8).state == "keep"
    assert both(lenient, GOOD, [4.0] * 8).state == "revert"


def test_a_noisy_guard_of_a_metric_without_noise():
    rules = replace(RULES, guards=(Guard(metric="n", kind="may_rise", limit=2.0),))
    steady = (NONE, NOISE)
    assert both(rules, [1.0] * 2, [1.0, 3.5], steady).state == "continue"
    assert both(rules, [1.0] * 12, [0.1, -0.2, 0.3] * 4, steady).state == "keep"
    assert both(rules, [1.0] * 8, [6.0] * 8, steady).state == "revert"
    assert both(replace(rules, max_repeats=2), [1.0] * 2, [1.0, 3.5], steady).state == "inconclusive"


def test_a_guard_that_was_not_measured():
    rules = replace(RULES, guards=(Guard(metric="latency", kind="at_most", limit=1.0),))
    with pytest.raises(ValueError, match="latency"):
        both(rules, GOOD, GOOD)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "may_rise", "limit": -0.1},
        {"kind": "at_most", "limit": math.nan},
        {"kind": "at_most", "limit": 1.0, "relative": True},
    ],
)
def test_guards_without_sense(wrong):
    with pytest.raises(ValueError):
        Guard(metric="n", **wrong)


def test_simpler_and_as_good_is_kept_when_that_was_shown(judge):
    rules, level = replace(RULES, simplicity=Margin(2.0)), [0.1, -0.1, 0.05, -0.2, 0.1, 0.0, 0.1, -0.1]
    assert judge(rules, level).state == "revert"
    kept = judge(rules, level, simpler="12 lines fewer")
    assert kept.state == "keep"
    assert "12 lines fewer" in kept.reason
    assert judge(rules, level[:3], simpler="12 lines fewer").state == "continue"
    assert judge(rules, [value - 2 for value in level], simpler="12 lines fewer").state == "revert"


def test_a_margin_that_the_repeats_cannot_show_costs_nothing(judge):
    rules = replace(RULES, simplicity=Margin(0.05))
    assert judge(rules, [0.0] * 6, simpler="12 lines fewer").state == "revert"


def test_many_small_losses_for_simplicity_do_not_add_up(judge):
    rules = replace(RULES, simplicity=Margin(2.0))
    assert judge(rules, [0.0] * 12, simpler="shorter", slack=0.0).state == "keep"
    assert judge(rules, [0.0] * 12, simpler="shorter", slack=1.9).state == "revert"


def test_simpler_without_noise(judge):
    rules = replace(RULES, policy="exact", simplicity=Margin(0.1))
    assert judge(rules, [0.45], [0.5], simpler="shorter").state == "keep"
    assert judge(rules, [0.45], [0.5]).state == "revert"
    assert judge(rules, [0.3], [0.5], simpler="shorter").state == "revert"
    assert judge(replace(rules, simplicity=Margin()), [0.5], [0.5], simpler="shorter").state == "keep"


PARETO = replace(
    RULES, tolerance=Margin(1.5), objectives=(Objective(metric="n", goal="minimize", tolerance=Margin(1.5)),)
)


def test_better_in_one_and_worse_in_none_is_kept():
    assert both(PARETO, GOOD * 2, [0.0] * 16).state == "keep"
    assert both(PARETO, [0.0] * 16, [-gain for gain in GOOD * 2]).state == "keep"
    assert both(PARETO, [0.0] * 16, [0.0] * 16).state == "revert"
    assert both(PARETO, GOOD[:3], [0.0] * 3).state == "continue"


def test_better_in_one_and_worse_in_another_is_for_the_tie_break():
    traded = (GOOD * 2, GOOD * 2)
    assert both(PARETO, *traded).state == "revert"
    first = both(replace(PARETO, tie_break="m"), *traded)
    assert first.state == "keep"
    assert "tie-break" in first.reason
    assert both(replace(PARETO, tie_break="n"), *traded).state == "revert"


def test_several_objectives_without_noise():
    assert both(PARETO, [1.0], [0.0], (NONE, NONE)).state == "keep"
    assert both(PARETO, [1.0], [2.0], (NONE, NONE)).state == "revert"
    assert both(PARETO, [0.0], [0.0], (NONE, NONE)).state == "revert"
    assert both(replace(PARETO, tie_break="m"), [1.0], [2.0], (NONE, NONE)).state == "keep"


def test_a_tie_break_is_one_of_the_objectives():
    with pytest.raises(ValueError):
        replace(PARETO, tie_break="latency")
    with pytest.raises(ValueError):
        replace(RULES, objectives=(Objective(metric="m", goal="maximize"),))


def test_drift():
    still = look_for_drift(NOISE, Pairs((0.1, -0.2, 0.3, 0.0), (0.0, 0.1, 0.2, -0.1)))
    assert not still.moved
    moved = look_for_drift(NOISE, Pairs((-4.0,) * 6, (0.0,) * 6))
    assert moved.moved
    assert moved.by == -4
    assert look_for_drift(NONE, Pairs((0.5, 0.6), (0.5, 0.5))).moved
    assert not look_for_drift(NONE, Pairs((0.5, 0.5), (0.5, 0.5))).moved


def test_confirmation():
    statement = confirm(NOISE, Pairs(tuple(GOOD), (0.0,) * 8))
    assert statement.low < statement.difference < statement.high
    assert statement.low > 0
    assert confirm(NONE, Pairs((0.6,), (0.5,))).difference == pytest.approx(0.1)


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.0}, {"confidence": 0.0}, {"tries": 0}, {"max_repeats": 0}, {"detect": 0.0}]
)
def test_rules_without_sense(wrong):
    with pytest.raises(ValueError):
        replace(RULES, **wrong)


def test_a_margin_is_no_negative():
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError):
            Margin(wrong)
