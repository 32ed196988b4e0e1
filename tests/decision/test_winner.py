import numpy as np
import pytest

from lab_plugin.decision import Rules
from lab_plugin.decision._winner import picked_estimate, stopped_estimate
from tests.benchmarks.decision_simulation import known, simulate

NEEDED = 8.5


@pytest.mark.parametrize("effect", [1.0, 2.0])
def test_what_stopping_on_a_high_adds_is_taken_off(effect):
    bets, gains = known()[1], np.random.default_rng(5).standard_normal((3000, 48)) + effect
    outcomes = simulate(gains, bets, NEEDED, 1.0, 1.0)
    kept = np.flatnonzero(outcomes.kept)
    raw = outcomes.estimate[kept].mean() - effect
    stopped = [list(gains[idea, : outcomes.repeats[idea]]) for idea in kept]
    corrected = np.mean([stopped_estimate(one, bets, 1.0, True) for one in stopped]) - effect
    assert raw > 0.05
    assert abs(corrected) < 0.5 * raw


@pytest.mark.parametrize("points", [2, 8, 50])
@pytest.mark.parametrize("later", [1, 6])
def test_the_best_of_a_batch_is_not_taken_at_its_face_value(points, later):
    """Equal points: the best one's first score is all luck, and the estimate is right without knowing it."""
    rng = np.random.default_rng(2)
    estimates, raw = [], []
    for _ in range(3000):
        firsts = np.sort(rng.standard_normal(points))
        fresh = rng.standard_normal(later).mean()
        raw.append((firsts[-1] + later * fresh) / (later + 1))
        estimates.append(picked_estimate(firsts[-1], fresh, later, firsts[-2], 1.0))
    error = np.std(estimates) / 3000**0.5
    assert abs(np.mean(estimates)) < 3.5 * error
    assert np.mean(raw) > 5 * error
    assert np.std(estimates) < 1.02 / later**0.5


def test_a_point_far_ahead_of_the_others_keeps_its_mean():
    assert picked_estimate(9.0, 9.5, 1, 0.0, 1.0) == pytest.approx(9.25)


def test_a_point_that_falls_back_far_is_estimated_by_its_later_scores():
    estimate = picked_estimate(3.0, -60.0, 4, 2.9, 1.0)
    assert estimate == pytest.approx(-60.0, rel=0.15)
    assert picked_estimate(3.0, 2.0, 4, 2.9, 0.0) == 2.0


def test_a_batch_is_tested_by_what_came_after_the_pick(judge):
    rules = Rules(metric="m", goal="maximize")
    gains = [4.5, 4.0, 4.2, 3.9, 4.1]
    assert judge(rules, gains[:3]).state == "keep"
    picked = judge(rules, gains[:3], points=20, rivals=(4.4, 1.0))
    assert picked.state == "continue"
    kept = judge(rules, gains, points=20, rivals=(4.4, 1.0))
    assert kept.state == "keep"
    assert kept.statement.corrected < kept.statement.difference
    assert judge(rules, [9.0, 0.0, 0.1, -0.1, 0.0, 0.1, 0.0, 0.1], points=20, rivals=(8.9,)).state != "keep"
