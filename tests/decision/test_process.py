import itertools
import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.decision import Noise
from lab_plugin.decision._process import Bets, open_bets
from lab_plugin.decision._signs import sign_logs, sign_trail

KNOWN = Bets(1.0, 1.0)
SIGNS = Bets(1.0, math.inf)
usual = st.floats(min_value=-50, max_value=50)
differences = st.lists(usual, min_size=1, max_size=12)


@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=7))
def test_bets_on_signs_are_fair_whatever_the_sizes(sizes):
    """All ways to give signs to the sizes are equally likely under the null hypothesis: the mean is 1."""
    ways = itertools.product((-1, 1), repeat=len(sizes))
    worth = [math.exp(SIGNS.log_evidence(SIGNS.scaled(list(map(operator.mul, way, sizes))))) for way in ways]
    assert math.fsum(worth) / len(worth) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("capped", [True, False])
@pytest.mark.parametrize("mean", [0.0, -0.7])
@pytest.mark.parametrize("sd", [1.0, 0.6])
def test_gaussian_bets_are_fair_up_to_their_bound(capped, mean, sd):
    grid = np.linspace(-12, 12, 4_001)
    density = np.exp(-grid * grid / 2) / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    worth = [math.exp(KNOWN.log_evidence([mean + sd * x], capped=capped)) for x in grid]
    assert float(np.dot(density, worth)) <= 1 + 1e-6


def test_a_bound_above_the_noise_is_bet_with_more_care():
    wide = Bets(1.0, 3.0)
    assert wide.gaussian_share < KNOWN.gaussian_share
    assert wide.log_evidence([3.0] * 4) < KNOWN.log_evidence([3.0] * 4)


@given(differences, st.data())
def test_evidence_rises_with_every_difference(values, data):
    index = data.draw(st.integers(0, len(values) - 1))
    more = list(values)
    more[index] += data.draw(st.floats(min_value=0, max_value=50))
    for bets in (KNOWN, SIGNS, Bets(1.0, 2.5)):
        assert bets.log_evidence(more) >= bets.log_evidence(values) - 1e-9


@given(st.lists(usual, min_size=1, max_size=30), st.sampled_from([KNOWN, SIGNS, Bets(1.0, 4.4)]))
def test_the_trail_is_the_evidence_of_each_beginning(values, bets):
    trail = bets.trail(values)
    whole = [bets.log_evidence(values[:count]) for count in range(1, len(values) + 1)]
    assert trail == pytest.approx(whole, rel=1e-9, abs=1e-9)


def test_one_repeat_is_never_enough_and_no_outlier_decides():
    assert math.exp(SIGNS.log_evidence(SIGNS.scaled([1e300]))) <= 2
    assert math.exp(KNOWN.log_evidence(KNOWN.scaled([1e300]))) <= 20


@pytest.mark.parametrize("unit", [1e-300, 5e-324, 1.0, 1e300])
@pytest.mark.parametrize("value", [1e-300, 1e300, -1e300, math.inf, -math.inf, 0.0])
def test_nothing_overflows(unit, value):
    bets = Bets(unit, 1.0)
    scaled = bets.scaled([value] * 3)
    assert math.isfinite(bets.log_evidence(scaled))
    assert all(map(math.isfinite, bets.trail(scaled)))


def test_long_comparisons_do_not_overflow_either():
    values = [0.0] * 1200 + [-0.3] * 700 + [0.2] * 300
    even = [0.0] * 4
    assert sign_logs(values, even) == pytest.approx(sign_trail(values, even)[-1])
    plain = [math.fsum(math.log(2 / (1 + math.exp(-2 * k * u))) for u in values) for k in (0.5, 1, 2, 4)]
    assert sign_logs(values, even) == pytest.approx(plain)


def test_a_spread_beyond_the_noise_is_seen():
    rng = np.random.default_rng(3)
    assert all(KNOWN.fits(list(rng.standard_normal(20))) for _ in range(50))
    assert sum(KNOWN.fits(list(3 * rng.standard_normal(20))) for _ in range(50)) == 0
    assert Bets(1.0, 4.0).fits(list(3 * rng.standard_normal(20)))


def test_the_bound_of_a_calibration_holds_as_often_as_it_says():
    rng = np.random.default_rng(4)
    bound = Noise(sd=1.0, df=4).bound(0.05)
    estimates = np.std(rng.standard_normal((20_000, 5)), axis=1, ddof=1)
    assert np.mean(estimates * bound < 1) == pytest.approx(0.05, abs=0.005)
    assert open_bets(Noise(sd=1.0, origin="found", df=9), 0.005).gaussian_share == 0


def test_without_noise_there_is_nothing_to_bet_on():
    with pytest.raises(ValueError):
        open_bets(Noise(sd=0.0, df=4), 0.005)
