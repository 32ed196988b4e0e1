import itertools
import math
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.decision import ErrorBudget, Evidence, Pairs, Rules, SamplePairs, decide, estimate_noise
from lab_plugin.decision._samples import SampleBets

RULES = Rules(metric="m", goal="maximize")
NONE = {"m": estimate_noise([0.5] * 3)}


def judge(samples, gain=0.1, rules=RULES, points=1):
    metrics = {"m": Pairs((0.5 + gain,) * 2, (0.5,) * 2)}
    level = ErrorBudget(rules.error, rules.tries).level(1)
    return decide(rules, NONE, Evidence(metrics=metrics, samples=samples, points=points), level)


def binary(wins, losses, ties):
    return SamplePairs((1.0,) * wins + (-1.0,) * losses + (0.0,) * ties)


def test_a_gain_that_the_samples_show_is_kept_and_one_of_few_samples_is_not():
    kept = judge(binary(40, 4, 316))
    assert kept.state == "keep"
    assert kept.controlled
    assert kept.statement.samples == 360
    assert kept.statement.low > 0
    few = judge(binary(4, 1, 355))
    assert few.state == "inconclusive"
    assert "samples do not show it" in few.reason


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=1e3), min_size=1, max_size=7))
def test_they_are_fair_whatever_the_sizes(sizes):
    ways = itertools.product((-1, 1), repeat=len(sizes))
    worth = [
        math.exp(SampleBets(SamplePairs(tuple(map(operator.mul, way, sizes))), 1).log_evidence())
        for way in ways
    ]
    assert math.fsum(worth) / len(worth) == pytest.approx(1.0, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40))
def test_goals_mirror_each_other(values):
    up = SampleBets(SamplePairs(tuple(values)), 1)
    down = SampleBets(SamplePairs(tuple(-value for value in values)), -1)
    assert up.log_evidence() == pytest.approx(down.log_evidence())
    assert up.interval(0.05) == pytest.approx(down.interval(0.05))


def test_samples_are_paired_by_id_and_a_lost_one_is_a_loss():
    ours = {"a": 1.0, "b": 0.5, "new": 9.0}
    theirs = {"b": 0.25, "a": 0.5, "gone": 0.1}
    pairs = SamplePairs.of(ours, theirs)
    assert sorted(pairs.differences) == [0.25, 0.5]
    assert (pairs.lost, pairs.added) == (1, 1)
    whole, short = binary(40, 4, 316), SamplePairs(binary(40, 4, 316).differences, lost=60)
    assert SampleBets(short, 1).log_evidence() < 0 < SampleBets(whole, 1).log_evidence()
    assert judge(short).state != "keep"
    with pytest.raises(ValueError):
        SamplePairs.of({"a": math.nan}, {"a": 1.0})


def test_nothing_in_common_is_no_evidence():
    assert judge(SamplePairs((), lost=5, added=5)).state == "inconclusive"
    assert judge(SamplePairs(())).state == "inconclusive"


def test_the_best_of_a_batch_shares_its_evidence():
    samples = binary(24, 2, 334)
    assert judge(samples).state == "keep"
    assert judge(samples, points=300).state == "inconclusive"


def test_one_outlier_does_not_decide_and_nothing_overflows():
    assert judge(SamplePairs((1e300,) + (0.0,) * 200)).state == "inconclusive"
    assert judge(SamplePairs((math.inf,) * 60)).state == "keep"
    assert judge(SamplePairs((1e-300,) * 60)).state == "keep"


@pytest.mark.parametrize(("wins", "losses", "ties"), [(30, 10, 320), (200, 0, 0), (1, 0, 3), (10, 10, 10)])
def test_the_interval_holds_the_mean(wins, losses, ties):
    bets = SampleBets(binary(wins, losses, ties), 1)
    low, high = bets.interval(0.05)
    assert low <= bets.mean <= high
    for end, sign in ((low, 1), (high, -1)):
        if math.isfinite(end) and end != bets.mean:
            assert bets.log_evidence(end, sign) >= math.log(40) - 1e-6
