"""The decision: its time after 10,000 verdicts, what it finds and what it costs, beside Wald and greedy."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

from lab_plugin.decision import ErrorBudget, Evidence, Noise, Pairs, Rules, Spent, decide, wald_bounds
from tests.benchmarks._report import figure
from tests.benchmarks.decision_simulation import found, pure_noise

RULES = Rules(metric="m", goal="maximize")
VERDICTS = 10_000
LOG = Path(__file__).parents[1] / "decision" / "digits.json"


def main() -> None:
    _time()
    _effects()
    _noise()
    _spending()


def _time() -> None:
    budget, rng = ErrorBudget(RULES.error, RULES.tries), np.random.default_rng(1)
    began = time.perf_counter()
    for place in range(1, VERDICTS + 1):
        budget.add(Spent(budget.level(place).base, False))
    figure("10,000 verdicts read again", 1e3 * (time.perf_counter() - began), "ms")
    noise = {"m": Noise(sd=2**-0.5, df=4)}
    for repeats in (5, 48):
        pairs = Pairs(tuple(rng.standard_normal(repeats) + 0.7), (0.0,) * repeats)
        times = []
        for place in range(VERDICTS, VERDICTS + 50):
            began = time.perf_counter()
            decide(RULES, noise, Evidence(metrics={"m": pairs}), budget.level(place))
            times.append(time.perf_counter() - began)
        figure(f"a decision after {repeats} repeats", 1e3 * median(times), "ms", target="5")


def _effects() -> None:
    rng, bounds = np.random.default_rng(2), wald_bounds(RULES.error / RULES.tries, 0.1, 1.0)
    for effect, within in ((1.0, 48), (2.0, 14), (4.0, 5)):
        outcomes = found(effect, RULES, 20_000, rng)
        part = float(np.mean(outcomes.kept & (outcomes.repeats <= within)))
        figure(f"{effect:g} sd better, found within {within}", part, "", target="0.9")
        against = ("Wald", bounds.better / effect**2)
        figure(f"{effect:g} sd better", float(outcomes.repeats.mean()), "repeats", against=against)
    for effect, bound, target in ((0.0, bounds.equal, "6"), (-1.0, bounds.worse, "2")):
        outcomes = found(effect, RULES, 20_000, rng)
        against = ("Wald", bound)
        figure(f"{effect:g} sd", float(outcomes.repeats.mean()), "repeats", against=against, target=target)


def _noise() -> None:
    draws = {
        "Gaussian": lambda rng, shape: rng.standard_normal(shape),
        "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
        "exponential": lambda rng, shape: rng.exponential(1, shape),
        "49 of 50 right": lambda rng, shape: rng.binomial(50, 0.98, shape) / 50,
    }
    for name, draw in draws.items():
        held = pure_noise(draw, RULES, 500, np.random.default_rng(3), calibrate=5)
        figure(
            f"{name}: campaigns with a false keep",
            held.false,
            "",
            against=("greedy", held.greedy),
            target="0.05",
        )


def _spending() -> None:
    """Runs until a campaign on recorded scores has an improvement, at an equal rate of false keeps."""
    from tests.benchmarks.decision_spending import compare

    result = compare(LOG, np.random.default_rng(4))
    against = (f"greedy, {result.greedy_repeats} repeats", result.greedy)
    figure(
        "digits: runs to 80 % of what there is to gain",
        result.ours,
        "runs",
        against=against,
        target="ratio 0.7",
    )
    figure("digits: campaigns with a false keep", result.false, "", against=("greedy", result.greedy_false))
