import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.decision import (
    Noise,
    Rules,
    calibrated_enough,
    calibration_seed,
    comparison_seed,
    confirmation_seed,
    contradicted,
    detectable_improvement,
    estimate_noise,
)
from lab_plugin.decision._chance import chi2_quantile

RULES = Rules(metric="m", goal="maximize")


def test_equal_repeats_are_deterministic_and_others_are_not():
    assert estimate_noise([0.5] * 3).deterministic
    assert estimate_noise([0.5]).deterministic
    noise = estimate_noise([0.5, 0.6, 0.55])
    assert not noise.deterministic
    assert noise.sd == pytest.approx(0.05)
    assert noise.df == 2


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_no_noise_without_numbers(values):
    with pytest.raises(ValueError):
        estimate_noise(values)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=6))
def test_any_finite_values_have_a_finite_noise_that_is_0_only_when_they_are_equal(values):
    noise = estimate_noise(values)
    assert math.isfinite(noise.sd)
    assert noise.deterministic == (len(set(values)) == 1)


def test_its_uncertainty_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(2000):
        low, high = estimate_noise(list(rng.standard_normal(5))).interval(0.9)
        inside += low <= 1 <= high
    assert inside / 2000 == pytest.approx(0.9, abs=0.025)


@pytest.mark.parametrize(
    ("probability", "df", "quantile"), [(0.005, 4, 0.20699), (0.95, 4, 9.48773), (0.5, 99, 98.3341)]
)
def test_quantiles_of_the_tables(probability, df, quantile):
    assert chi2_quantile(probability, df) == pytest.approx(quantile, rel=1e-5)


def test_a_calibration_stops_when_the_first_three_are_equal():
    assert not calibrated_enough([0.5, 0.5], 5)
    assert calibrated_enough([0.5] * 3, 5)
    assert not calibrated_enough([0.5, 0.5, 0.6], 5)
    assert calibrated_enough([0.5, 0.5, 0.6, 0.5, 0.5], 5)
    assert calibrated_enough([0.5], 1)


def test_no_seed_serves_two_purposes():
    for base in (0, 7, 2**32 - 1):
        seeds = [
            make(base, n)
            for make in (comparison_seed, calibration_seed, confirmation_seed)
            for n in range(500)
        ]
        assert len(set(seeds)) == len(seeds)
        assert all(0 <= seed < 2**32 for seed in seeds)
        assert comparison_seed(base, 0) == base


def test_what_a_budget_can_detect():
    known = Noise(sd=1.0, origin="stated")
    few, many = Rules(metric="m", goal="maximize", max_repeats=4), RULES
    assert detectable_improvement(many, known) == pytest.approx(math.sqrt(2))
    assert detectable_improvement(few, known) > 3 * math.sqrt(2)
    assert detectable_improvement(many, estimate_noise([1.0, 1.0])) == 0
    hopeless = Rules(metric="m", goal="maximize", max_repeats=2)
    assert detectable_improvement(hopeless, Noise(sd=1.0, df=4)) == math.inf


def test_a_deterministic_scorer_that_is_not_is_found_out():
    assert contradicted(estimate_noise([0.9] * 3), [0.9, 0.9]) is None
    found = contradicted(estimate_noise([0.9] * 3), [0.9, 0.8])
    assert found is not None
    assert found.origin == "found"
    assert found.sd == pytest.approx(0.0707, abs=1e-4)
    assert contradicted(Noise(sd=1.0, df=4), [0.9, 0.8]) is None


def test_pairs_that_were_seen_tell_how_much_common_seeds_help():
    rng = np.random.default_rng(2)
    noise = Noise(sd=1.0, df=4)
    for _ in range(40):
        noise = noise.learn(list(0.2 * rng.standard_normal(4) + rng.standard_normal()))
    assert noise.expected_sd == pytest.approx(0.2, rel=0.2)
    assert noise.difference_sd == pytest.approx(math.sqrt(2))
    assert noise.learn([3.0]) == noise


@pytest.mark.parametrize("sd", [-1.0, math.nan, math.inf])
def test_no_noise_without_sense(sd):
    with pytest.raises(ValueError):
        Noise(sd=sd)
