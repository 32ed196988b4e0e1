import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.promotion import Decided, Quantile, Rung, Threshold, TopK
from tests.promotion.conftest import GOALS, feed, flat, rules, values


def best(results: list[float], goal: str) -> list[int]:
    sign = -1 if goal == "maximize" else 1
    return sorted(range(len(results)), key=lambda number: (sign * results[number], number))


def test_the_best_of_each_full_cohort_go_on_together():
    rung, answers = feed(TopK(2, 4), "maximize", [1, 4, 3, 2, 9, 8, 9])
    assert answers == [(), (), (), (1, 2), (), (), ()]
    assert rung.dropped() == (3, 0)
    assert rung.dropped() == ()
    assert rung.waiting == (4, 6, 5)
    assert rung.add(7, 8.5) == (4, 6)


def test_an_incomplete_cohort_gets_its_share_at_the_end():
    rung, _ = feed(TopK(2, 4), "minimize", [1, 4, 3, 2, 9, 8])
    assert rung.finish() == (5,)
    assert rung.finish() == ()
    assert rung.dropped() == (2, 1, 4)
    assert rung.waiting == ()


def test_a_short_campaign_does_not_end_with_nothing_at_its_last_tier():
    rung, answers = feed(TopK(1, 100), "maximize", [1, 3, 2])
    assert flat(answers) == []
    assert rung.finish() == (1,)


def test_a_last_cohort_that_is_too_small_gets_nothing_where_others_went_on():
    rung, answers = feed(TopK(1, 4), "maximize", [1, 3, 2, 0, 9])
    assert flat(answers) == [1]
    assert rung.finish() == ()
    assert rung.dropped() == (2, 0, 3, 4)


def test_a_whole_campaign_is_decided_at_its_end():
    rung, answers = feed(TopK(2), "maximize", [1, 3, 2, 3])
    assert flat(answers) == []
    assert rung.finish() == (1, 3)
    assert rung.dropped() == (2, 0)


def test_nothing_came_and_nothing_goes_on():
    for rule in (TopK(3), TopK(3, 5), Quantile(0.5), Threshold(0), Decided()):
        rung = Rung(rule, "maximize")
        assert rung.finish() == rung.waiting == rung.dropped() == ()


def test_a_later_result_makes_a_waiting_idea_due():
    rung, answers = feed(Quantile(0.5), "maximize", [5, 4, 3, 2])
    assert answers == [(), (0,), (), (1,)]
    assert rung.waiting == (2, 3)


def test_a_share_is_not_lost_to_the_rounding_of_floats():
    rung, answers = feed(Quantile(0.29), "maximize", [-float(n) for n in range(100)])
    assert len(flat(answers)) == 29
    rung, answers = feed(Quantile(1 / 3), "maximize", [-float(n) for n in range(999)])
    assert len(flat(answers)) == 333


@pytest.mark.parametrize("goal", GOALS)
def test_a_bar_is_reached_at_the_bar(goal):
    rung, answers = feed(Threshold(2), goal, [1, 2, 3])
    assert answers == ([(), (1,), (2,)] if goal == "maximize" else [(0,), (1,), ()])
    assert rung.dropped() == ((0,) if goal == "maximize" else (2,))


def test_the_decision_rule_is_told_and_not_guessed():
    rung = Rung(Decided(), "maximize")
    assert rung.add(1, 0.5, True) == (1,)
    assert rung.add(2, 9.5, False) == ()
    assert rung.dropped() == (2,)
    with pytest.raises(ValueError, match="idea 3"):
        rung.add(3, 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(value):
    rung = Rung(TopK(1, 2), "maximize")
    with pytest.raises(ValueError, match="finite"):
        rung.add(1, value)
    assert rung.waiting == ()
    assert rung.add(1, 3.0) == ()


def test_a_second_result_is_refused():
    rung, _ = feed(Quantile(0.5), "maximize", [1.0])
    with pytest.raises(ValueError, match="already"):
        rung.add(0, 2.0)


def test_a_result_after_the_end_counts():
    rung, _ = feed(TopK(1), "maximize", [1.0])
    assert rung.finish() == (0,)
    assert rung.add(1, 2.0) == ()
    assert rung.waiting == (1,)
    assert rung.finish() == (1,)


def test_a_cancelled_idea_frees_its_place_in_its_cohort():
    rung, _ = feed(TopK(2, 4), "maximize", [4, 3, 2])
    rung.drop(0)
    assert rung.add(3, 1.0) == (1, 2)
    assert rung.dropped() == (3,)
    assert rung.standing(0) == "it was taken out"
    rung.drop(1)
    rung.drop(99)
    assert rung.standing(1).startswith("rank 1 of 3")


def test_standings_are_those_of_the_moment():
    rung, _ = feed(TopK(2, 4), "maximize", [4, 3, 2])
    assert rung.standing(2) == "rank 3 of 3 so far; of every 4 the best 2 go on"
    rung.add(3, 2.5)
    assert rung.standing(0) == "rank 1 of 4, and the best 2 go on"
    assert rung.standing(2) == "rank 4 of 4, and the best 2 go on"
    rung, _ = feed(Quantile(0.5), "maximize", [5])
    assert rung.standing(0) == "rank 1 of 1, and none of so few goes on"
    rung.add(1, 6.0)
    rung.add(2, 7.0)
    assert rung.standing(1) == "rank 1 of 2, and the best one goes on"
    assert rung.standing(0) == "rank 3 of 3, and the best one goes on"
    rung, _ = feed(TopK(1, 2), "maximize", [5, 5])
    assert (
        rung.standing(1)
        == "rank 2 of 2 (equal values in the order of their numbers), and the best one goes on"
    )
    rung, _ = feed(TopK(3), "maximize", [5, 5])
    assert rung.standing(1) == "rank 2 of 2 so far; of the whole campaign the best 3 go on"
    rung, _ = feed(Threshold(0.8), "maximize", [0.9, 0.7])
    assert rung.standing(0) == "its value is 0.9, and at least 0.8 goes on"
    assert rung.standing(1) == "its value is 0.7, but at least 0.8 goes on"
    rung, _ = feed(Decided(), "maximize", [1, -1])
    assert [rung.standing(n) for n in (0, 1)] == [
        "the decision rule keeps it",
        "the decision rule does not keep it",
    ]
    with pytest.raises(ValueError, match="idea 7"):
        rung.standing(7)


@given(rules, st.sampled_from(GOALS), st.lists(values, max_size=40))
def test_each_idea_goes_on_or_is_dropped_exactly_once(rule, goal, results):
    rung, answers = feed(rule, goal, results)
    dropped = list(rung.dropped())
    waiting = rung.waiting
    went = flat(answers)
    assert Counter([*went, *dropped, *waiting]) == Counter(range(len(results)))
    went += rung.finish()
    dropped += rung.dropped()
    assert Counter([*went, *dropped]) == Counter(range(len(results)))
    assert all(rung.standing(number) for number in range(len(results)))


@given(rules, st.sampled_from(GOALS), st.lists(values, max_size=40), st.sets(st.integers(0, 39)))
def test_going_on_after_a_replay_equals_going_on(rule, goal, results, cancelled):
    def run(rung: Rung, start: int, end: int) -> list[object]:
        seen: list[object] = []
        for number in range(start, end):
            seen += [rung.add(number, results[number], results[number] > 0), rung.dropped()]
            if number in cancelled:
                rung.drop(number)
        return seen

    def end(rung: Rung) -> list[object]:
        return [rung.waiting, rung.finish(), rung.dropped(), *map(rung.standing, range(len(results)))]

    whole = Rung(rule, goal)
    seen = [*run(whole, 0, len(results)), *end(whole)]
    for half in {len(results) // 3, len(results) // 2}:
        replayed = Rung(rule, goal)
        before = run(replayed, 0, half)
        assert [*before, *run(replayed, half, len(results)), *end(replayed)] == seen


@given(st.floats(0.01, 1), st.sampled_from(GOALS), st.lists(values, max_size=60))
def test_under_a_quantile_all_of_the_best_share_have_gone_on_at_each_moment(share, goal, results):
    rung, went = Rung(Quantile(share), goal), set()
    for number, value in enumerate(results):
        went.update(rung.add(number, value))
        places = math.floor((number + 1) * share + 1e-9)
        assert set(best(results[: number + 1], goal)[:places]) <= went
        assert set(rung.waiting) == set(range(number + 1)) - went


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(GOALS), st.lists(values, max_size=60))
def test_cohorts_are_independent_and_promote_their_best(k, of, goal, results):
    rung, answers = feed(TopK(k, of), goal, results)
    for start in range(0, len(results) - of + 1, of):
        cohort = results[start : start + of]
        assert answers[start + of - 1] == tuple(start + place for place in best(cohort, goal)[:k])


@given(rules, st.lists(values, max_size=40))
def test_goals_mirror(rule, results):
    if isinstance(rule, (Threshold, Decided)):
        return
    up, down = feed(rule, "maximize", results), feed(rule, "minimize", [-value for value in results])
    assert up[1] == down[1]
    assert up[0].finish() == down[0].finish()


def test_asynchronous_halving_promotes_little_more_than_its_share():
    # The surplus is of the order of the square root of the number of results (Li et al. 2020, section 3.3).
    count = 2000
    for seed in range(5):
        source = random.Random(seed)
        _, answers = feed(Quantile(0.25), "maximize", [source.random() for _ in range(count)])
        surplus = len(flat(answers)) - count / 4
        assert 0 <= surplus < 3 * math.sqrt(count)


def test_when_every_result_is_better_than_all_before_all_go_on():
    _, answers = feed(Quantile(0.25), "maximize", [float(number) for number in range(40)])
    assert len(flat(answers)) == 37


def test_ten_thousand_results_touch_few_entries_each():
    looked = 0

    class Counted(float):
        def __lt__(self, other):
            nonlocal looked
            looked += 1
            return float.__lt__(self, other)

        def __neg__(self):
            return Counted(float.__neg__(self))

        def __rmul__(self, other):
            return Counted(float(self) * other)

        __mul__ = __rmul__

    source = random.Random(1)
    for rule in (Quantile(0.25), TopK(50, 200), TopK(10)):
        looked = 0
        feed(rule, "maximize", [Counted(source.random()) for _ in range(10_000)])
        assert 0 < looked < 10_000 * 4 * math.log2(10_000)


def test_rules_that_make_no_sense_are_refused():
    for made in (
        lambda: TopK(0),
        lambda: TopK(1, 0),
        lambda: Quantile(0),
        lambda: Quantile(1.1),
        lambda: Quantile(math.nan),
        lambda: Threshold(math.nan),
        lambda: Threshold(math.inf),
    ):
        with pytest.raises(ValueError):
            made()
