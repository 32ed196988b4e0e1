"""Replays of recorded scores: 40 changes of a network on the digits, each on 24 seeds, and nothing else.

The log is real, made by `tests.benchmarks.decision_record`. What an idea is worth is its mean over all seeds.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from lab_plugin.decision import ErrorBudget, Evidence, Pairs, Rules, Spent, decide, estimate_noise

LOG = json.loads((Path(__file__).parent / "digits.json").read_text())
SCORES = np.array([entry["right"] for entry in LOG["ideas"]]) / LOG["questions"]
CALIBRATE = 5
SEEDS = SCORES.shape[1] - CALIBRATE
TRUTH = SCORES.mean(axis=1)


def replay(order, seeds, policy):
    """The keeps of a campaign, as pairs of idea and champion."""
    rules = Rules(metric="accuracy", goal="maximize", policy=policy, max_repeats=SEEDS, tries=len(order))
    noise = {"accuracy": estimate_noise([float(score) for score in SCORES[0, seeds[SEEDS:]]])}
    budget, champion, keeps = ErrorBudget(rules.error, rules.tries), 0, []
    for place, idea in enumerate(order, start=1):
        level = budget.level(place)
        for repeats in range(1, SEEDS + 1):
            pairs = Pairs(*(tuple(map(float, SCORES[one, seeds[:repeats]])) for one in (idea, champion)))
            decision = decide(rules, noise, Evidence(metrics={"accuracy": pairs}), level)
            if decision.state != "continue":
                break
        budget.add(Spent(level.base, decision.controlled))
        if decision.state == "keep":
            keeps.append((idea, champion))
            champion = idea
    return keeps


def below_the_noise(keeps):
    """Keeps whose mean difference over all seeds is within two standard errors of nothing."""
    found = []
    for idea, champion in keeps:
        differences = SCORES[idea] - SCORES[champion]
        if differences.mean() <= 2 * differences.std(ddof=1) / len(differences) ** 0.5:
            found.append((idea, champion))
    return found


def shuffled(seed):
    """Ideas in some order, and seeds in some order."""
    rng = np.random.default_rng(seed)
    return 1 + rng.permutation(len(SCORES) - 1), rng.permutation(SCORES.shape[1])


@pytest.mark.parametrize("seed", range(4))
def test_no_keep_is_below_the_noise_of_the_seeds(seed):
    careful = replay(*shuffled(seed), "significant")
    assert careful
    assert below_the_noise(careful) == []
    assert all(TRUTH[idea] > TRUTH[champion] for idea, champion in careful)


def test_greedy_keeps_several_that_are():
    found = [below_the_noise(replay(*shuffled(seed), "greedy")) for seed in range(12)]
    assert sum(map(bool, found)) >= 4
