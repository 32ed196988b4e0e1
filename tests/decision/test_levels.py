import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.decision import ErrorBudget, Spent


def spent(budget, places):
    for place in places:
        budget.add(Spent(budget.level(place).base, False))
    return budget.spent


@settings(max_examples=40, deadline=None)
@given(error=st.floats(min_value=1e-6, max_value=0.5), tries=st.integers(1, 300))
def test_no_number_of_ideas_spends_more_than_the_error(error, tries):
    assert spent(ErrorBudget(error, tries), range(1, 400)) <= 0.9 * error * (1 + 1e-8)


def test_the_tries_share_evenly_and_later_ideas_still_have_something():
    budget = ErrorBudget(0.05, 200)
    first, last, later = (budget.level(place).base for place in (1, 200, 10_000))
    assert first == last == pytest.approx(0.05 * 0.9 * 0.9 / 200)
    assert 0 < later < last / 1000


@settings(max_examples=40, deadline=None)
@given(st.permutations(list(range(1, 9))))
def test_verdicts_may_come_in_any_order(order):
    budget = ErrorBudget(0.05, 20)
    given_levels = {place: budget.level(place).base for place in sorted(order)}
    got = {}
    for place in order:
        got[place] = budget.level(place).base
        budget.add(Spent(got[place], False))
    assert got == given_levels


def test_keeps_make_later_keeps_easier_in_the_end_and_never_stop_one_earlier():
    budget = ErrorBudget(0.05, 200)
    before = budget.level(7)
    for place in (1, 2, 3):
        budget.add(Spent(budget.level(place).base, True))
    after = budget.level(7)
    assert after.needed == before.needed
    assert after.least == pytest.approx(before.least - math.log(4))


def test_state_is_rebuilt_from_the_verdicts():
    budget, verdicts, chance = ErrorBudget(0.05), [], random.Random(1)
    for place in range(1, 400):
        one = Spent(budget.level(place).base, chance.random() < 0.1)
        verdicts.append(one)
        budget.add(one)
    again = ErrorBudget(0.05)
    for one in verdicts:
        again.add(one)
    assert again.level(400) == budget.level(400)
    assert again.spent == budget.spent


@pytest.mark.parametrize("errors", list(itertools.permutations([0.01, 0.05, 0.2])))
def test_resumed_under_another_confidence_the_sum_stays_below_the_largest(errors):
    verdicts, place = [], 0
    for error in errors:
        budget = ErrorBudget(error, 30)
        for one in verdicts:
            budget.add(one)
        for _ in range(25):
            place += 1
            verdicts.append(Spent(budget.level(place).base, False))
            budget.add(verdicts[-1])
    assert sum(one.error for one in verdicts) <= 0.9 * max(errors) * (1 + 1e-8)


def test_what_is_spent_stays_spent():
    budget = ErrorBudget(0.01, 10)
    budget.add(Spent(0.05, False))
    level = budget.level(2)
    assert (level.base, level.needed, level.least) == (0.0, math.inf, math.inf)


@pytest.mark.parametrize(("error", "tries"), [(0.0, 10), (1.0, 10), (0.05, 0), (math.nan, 5)])
def test_no_budget_without_sense(error, tries):
    with pytest.raises(ValueError):
        ErrorBudget(error, tries)


def test_places_are_counted_from_one():
    with pytest.raises(ValueError):
        ErrorBudget(0.05).level(0)
