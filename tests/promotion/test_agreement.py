import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.promotion import agreement

UP = ("maximize", "maximize")
numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True))


def test_it_is_spearmans_with_mean_ranks():
    # 1 - 6 * (1 + 1 + 1 + 1) / (5 * 24)
    found = agreement([(1, 2), (2, 1), (3, 4), (4, 3), (5, 5)], UP)
    assert found.rho == pytest.approx(0.8)
    tied = agreement([(1, 1), (1, 2), (2, 3), (3, 3)], UP)
    # ranks 1.5 1.5 3 4 and 1 2 3.5 3.5: products about the mean sum to 4, squares to 4.5 each
    assert tied.rho == pytest.approx(4 / 4.5)


def test_the_interval_is_that_of_bonett_and_wright():
    source = random.Random(0)
    pairs = [(x, x + source.gauss(0, 1)) for x in (source.gauss(0, 1) for _ in range(30))]
    found = agreement(pairs, UP)
    reach = 1.959963984540054 * math.sqrt((1 + found.rho**2 / 2) / 27)
    assert found.low == pytest.approx(math.tanh(math.atanh(found.rho) - reach))
    assert found.high == pytest.approx(math.tanh(math.atanh(found.rho) + reach))


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    # A normal pair with correlation r has Spearman's 6 / pi * asin(r / 2).
    source, truth = random.Random(1), 6 / math.pi * math.asin(0.3)
    held = 0
    for _ in range(400):
        pairs = []
        for _ in range(20):
            x = source.gauss(0, 1)
            pairs.append((x, 0.6 * x + 0.8 * source.gauss(0, 1)))
        found = agreement(pairs, UP)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 400 <= 0.985


def test_goals_turn_it_round():
    pairs = [(float(n), float(n * n)) for n in range(10)]
    assert agreement(pairs, UP).rho == 1
    assert agreement(pairs, ("minimize", "minimize")).rho == 1
    assert agreement(pairs, ("maximize", "minimize")).rho == -1
    assert agreement([(a, -b) for a, b in pairs], ("maximize", "minimize")).rho == 1


def test_a_tier_that_misleads_is_named_only_when_that_is_shown():
    wrong = [(float(n), -float(n)) for n in range(8)]
    assert agreement(wrong, UP).misleads
    assert not agreement(wrong[:7], UP).misleads
    assert "proxy misleads" in agreement(wrong, UP).sentence("proxy", "final")
    source = random.Random(2)
    unrelated = [(source.random(), source.random()) for _ in range(8)]
    found = agreement(unrelated, UP)
    assert not found.misleads
    assert "does not show that proxy is a guide to final" in found.sentence("proxy", "final")
    assert agreement([(source.random(), source.random()) for _ in range(200)], UP).misleads
    right = [(float(n), float(n)) for n in range(12)]
    assert "guide" not in agreement(right, UP).sentence("proxy", "final")
    assert agreement(right, UP, floor=0.999).low < 0.999


def test_a_perfect_order_is_no_certainty():
    few, many = (agreement([(float(n), float(n)) for n in range(count)], UP) for count in (4, 40))
    assert few.rho == many.rho == few.high == 1
    assert few.low < 0.3 < 0.99 < many.low < 1


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], "0 ideas have a value at both proxy and final, too few"),
        ([(1, 2)], "1 idea has a value at both proxy and final, too few"),
        ([(1, 2), (math.nan, 3)], "1 idea has"),
        ([(1, n) for n in range(9)], "9 ideas have a value at both proxy and final, and a tier gives all"),
    ],
)
def test_what_cannot_be_said_is_not_said(pairs, said):
    found = agreement(pairs, UP)
    assert found.rho is None
    assert (found.low, found.high, found.misleads) == (-1, 1, False)
    assert found.sentence("proxy", "final").startswith(said)


def test_a_report_says_whom_it_leaves_out():
    text = agreement([(float(n), float(n % 3)) for n in range(9)], UP).sentence("proxy", "final")
    assert "Only ideas that proxy promoted are in it" in text


@given(st.lists(st.tuples(numbers, numbers), max_size=30), st.sampled_from(["maximize", "minimize"]))
def test_it_is_always_an_interval_around_the_correlation(pairs, goal):
    found = agreement(pairs, (goal, "maximize"))
    assert found.n == sum(math.isfinite(a) and math.isfinite(b) for a, b in pairs)
    middle = found.low if found.rho is None else found.rho
    assert -1 <= found.low <= middle <= found.high <= 1
    assert agreement(list(reversed(pairs)), (goal, "maximize")).rho == pytest.approx(found.rho, abs=1e-9)
