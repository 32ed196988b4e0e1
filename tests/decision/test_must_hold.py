"""The promises of the policy `significant`, simulated with fixed seeds."""

import math

import numpy as np
import pytest

from lab_plugin.decision import ErrorBudget, Evidence, Noise, Pairs, Rules, decide, wald_bounds
from lab_plugin.decision._process import Bets, open_bets
from lab_plugin.decision._walk import walk
from tests.benchmarks.decision_simulation import found, known, levels, pure_noise, simulate

RULES = Rules(metric="m", goal="maximize")
IDEAS = 8_000


def normal(rng, shape):
    return rng.standard_normal(shape)


def heavy(rng, shape):
    return rng.standard_cauchy(shape)


def outliers(rng, shape):
    values = rng.standard_normal(shape)
    return np.where(rng.random(shape) < 0.03, 20 * values, values)


def skewed(rng, shape):
    return -rng.exponential(1, shape)


def at_the_bound(rng, shape):
    return rng.binomial(50, 0.98, shape) / 50


def at_most(count, trials, part):
    """Whether a count is compatible with a probability of at most `part`, at three standard errors."""
    return count <= part * trials + 3 * math.sqrt(part * (1 - part) * trials)


@pytest.mark.parametrize("bound", [1.0, 4.4, math.inf])
def test_the_simulation_is_the_rule(bound):
    rng = np.random.default_rng(11)
    gains = rng.standard_normal((60, 48)) * rng.choice([0.5, 1, 3], (60, 1)) + rng.choice(
        [-1, 0, 1, 3], (60, 1)
    )
    bets, needed = Bets(1.0, bound), levels(RULES)[0]
    outcomes = simulate(gains, bets, needed, 1.0, 1.3)
    for row, kept, repeats in zip(gains, outcomes.kept, outcomes.repeats, strict=True):
        way = walk(list(row), bets, needed, effect=1.0, spread=1.3)
        assert (way.state == "better", way.repeats) == (kept, repeats)


def test_pure_noise_gives_false_keeps_in_at_most_5_percent_of_campaigns():
    held = pure_noise(normal, RULES, 500, np.random.default_rng(1))
    assert held.false <= 0.05
    assert held.greedy > 0.9


@pytest.mark.parametrize("draw", [normal, heavy, outliers, skewed, at_the_bound])
def test_so_it_does_with_noise_of_any_kind_and_five_calibrations(draw):
    assert pure_noise(draw, RULES, 150, np.random.default_rng(2), calibrate=5).false <= 0.05


@pytest.mark.parametrize(("effect", "within"), [(1.0, 48), (2.0, 14), (4.0, 5)])
def test_real_improvements_are_found(effect, within):
    outcomes = found(effect, RULES, IDEAS, np.random.default_rng(3))
    assert np.mean(outcomes.kept & (outcomes.repeats <= within)) >= 0.9
    assert outcomes.repeats.mean() <= 20


@pytest.mark.parametrize(("effect", "most"), [(0.0, 6.0), (-1.0, 2.0)])
def test_ideas_without_worth_cost_little(effect, most, capsys):
    outcomes = found(effect, RULES, IDEAS, np.random.default_rng(4))
    bounds = wald_bounds(0.05 / 200, 0.1, 1.0)
    print(f"\n{effect:+g} sd: {outcomes.repeats.mean():.2f} repeats; Wald {bounds}")
    assert outcomes.repeats.mean() <= most


def test_walds_bounds():
    assert [round(bound) for bound in wald_bounds(0.05 / 200, 0.1, 1.0)] == [14, 5, 2]


def test_without_giving_up_early_the_error_is_what_the_theorem_says():
    """Ville's inequality alone holds the level: nothing was tuned to the noise that it is tested with."""
    rng = np.random.default_rng(5)
    bets, level = open_bets(known()[0], 0.005), 0.05
    outcomes = simulate(rng.standard_normal((20_000, 48)), bets, -math.log(level), 1.0, 1e9)
    assert outcomes.kept.mean() > 0.001
    assert at_most(outcomes.kept.sum(), 20_000, level)


def test_seeds_that_help_save_repeats_once_they_are_known_to():
    rng = np.random.default_rng(6)
    gains = 0.2 * (rng.standard_normal((2_000, 48)) + 1.0)
    bets, needed = open_bets(Noise(sd=2**-0.5, df=4), 0.005), levels(RULES)[0]
    blind = simulate(gains, bets, needed, 1.0, 1.0)
    learned = simulate(gains, bets, needed, 1.0, 0.2)
    assert blind.kept.mean() < 0.3
    assert learned.kept.mean() > 0.8


def test_an_idea_that_is_noisier_than_the_baseline_is_judged_by_its_own_noise():
    """The noise is three times that of the baseline: within what five calibrations leave open, and beyond
    what noise that is said to be known allows for, where a check of the spread is all that helps.
    """
    gains = 3 * np.random.default_rng(7).standard_normal((20_000, 48))
    calibrated = open_bets(Noise(sd=2**-0.5, df=4), 0.005)
    assert simulate(gains, calibrated, levels(RULES)[0], 1.0, 1.0).kept.mean() < 0.05 / 200
    assert simulate(gains, known()[1], levels(RULES)[0], 1.0, 1.0).kept.mean() < 0.02


def test_twenty_campaigns_through_the_door():
    """The same as above through `decide`, with a champion whose scores all ideas share, and out of order."""
    rng = np.random.default_rng(8)
    noise = {"m": Noise(sd=1.0, origin="stated")}
    kept = 0
    for _ in range(4):
        budget, champion = ErrorBudget(0.05), tuple(rng.standard_normal(48))
        for place in rng.permutation(np.arange(1, 41)):
            candidate = tuple(rng.standard_normal(48))
            for repeats in range(1, 49):
                pairs = Pairs(candidate[:repeats], champion[:repeats])
                decision = decide(RULES, noise, Evidence(metrics={"m": pairs}), budget.level(int(place)))
                if decision.state != "continue":
                    break
            kept += decision.state == "keep"
    assert kept == 0
