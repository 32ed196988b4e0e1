"""Campaigns on recorded scores: what an improvement costs, with the policy `significant` and with greedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab_plugin.decision import ErrorBudget, Rules, Spent, estimate_noise
from lab_plugin.decision._levels import NOISE_SHARE
from lab_plugin.decision._process import open_bets
from lab_plugin.decision._walk import walk

RULES = Rules(metric="accuracy", goal="maximize")
CAMPAIGNS = 60
IDEAS = 300
GAINED = 0.8
REPEATS = (1, 2, 4, 8, 16, 32, 64)
CALIBRATE = 5

Scores = NDArray[np.float64]
Test = Callable[[Scores, Scores, int], tuple[bool, int]]


@dataclass(frozen=True)
class Spending:
    """Means over campaigns.

    Attributes:
        ours: Runs until the campaign has most of what there is to gain.
        greedy: The same of the cheapest greedy policy with as few false keeps, or of the most careful one.
        greedy_repeats: Its repeats.
        false: Part of our campaigns with a false keep.
        greedy_false: Part of greedy's.
    """

    ours: float
    greedy: float
    greedy_repeats: int
    false: float
    greedy_false: float


def load(path: Path) -> Scores:
    """Recorded scores: ideas by seeds; the first is the start."""
    log = json.loads(path.read_text())
    return np.array([entry["right"] for entry in log["ideas"]]) / log["questions"]


def compare(path: Path, rng: np.random.Generator) -> Spending:
    """Run campaigns whose ideas are drawn from a recorded log, on seeds drawn from it."""
    scores = load(path)
    ours = [_campaign(scores, rng, _significant(scores, rng), RULES.max_repeats) for _ in range(CAMPAIGNS)]
    runs, false = np.mean(ours, axis=0)
    greedy = (0.0, 1.0)
    for repeats in REPEATS:
        many = [_campaign(scores, rng, _greedy(repeats), repeats) for _ in range(CAMPAIGNS)]
        greedy = tuple(np.mean(many, axis=0))
        if greedy[1] <= false:
            break
    return Spending(float(runs), float(greedy[0]), repeats, float(false), float(greedy[1]))


def _campaign(scores: Scores, rng: np.random.Generator, test: Test, most: int) -> tuple[int, bool]:
    """Runs until the goal, and whether something worse or equal was kept."""
    truth = scores.mean(axis=1)
    goal = truth[0] + GAINED * (truth.max() - truth[0])
    seeds = rng.integers(0, scores.shape[1], most)
    champion, cached, runs, reached, false = 0, 0, 0, 0, False
    for place, idea in enumerate(rng.integers(1, len(scores), IDEAS), start=1):
        kept, repeats = test(scores[idea, seeds], scores[champion, seeds], place)
        runs += repeats + max(0, repeats - cached)
        cached = max(cached, repeats)
        if kept:
            false |= bool(truth[idea] <= truth[champion])
            champion, cached = int(idea), repeats
        if not reached and truth[champion] >= goal:
            reached = runs
    return reached or runs, false


def _greedy(repeats: int) -> Test:
    def test(candidate: Scores, champion: Scores, place: int) -> tuple[bool, int]:
        return bool(candidate[:repeats].mean() > champion[:repeats].mean()), repeats

    return test


def _significant(scores: Scores, rng: np.random.Generator) -> Test:
    noise = estimate_noise([float(value) for value in rng.choice(scores[0], CALIBRATE)])
    bets = open_bets(noise, RULES.error * NOISE_SHARE)
    budget = ErrorBudget(RULES.error, RULES.tries)

    def test(candidate: Scores, champion: Scores, place: int) -> tuple[bool, int]:
        gains = [float(value) for value in candidate - champion]
        level = budget.level(place)
        for count in (12, len(gains)):
            way = walk(gains[:count], bets, level.needed, effect=RULES.detect, spread=noise.expected_sd)
            if way.state != "open":
                break
        kept = way.state == "better" and sum(gains[: way.repeats]) > 0
        budget.add(Spent(level.base, kept))
        return kept, way.repeats

    return test
