"""The noise of a lab's metrics: the commit that is locked, run again on seeds of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_plugin.comparison import rules_of, tries_of
from lab_plugin.config import Decision
from lab_plugin.decision import (
    Noise,
    calibrated_enough,
    calibration_seed,
    detectable_improvement,
    estimate_noise,
)
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.rescore import score_tree
from lab_plugin.scorer import Score, TrialRunner


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        values: Metric -> its values on the seeds of the calibration.
        noise: Metric -> its noise.
        detectable: The smallest improvement that an idea is found with in 9 of 10 cases; None when none is.
    """

    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    noise: Mapping[str, Noise] = field(default_factory=dict)
    detectable: float | None = None


async def calibrate(lab: Lab, runner: TrialRunner, tree: str, first: Score) -> Calibration:
    """Run a tree on further seeds until its noise is known.

    Where three runs in a row give the same metrics, the first one included, there is none.

    Args:
        lab: The lab.
        runner: Under the lock to come.
        tree: What is locked.
        first: Its score on the lab's own seed.

    Raises:
        LockError: It has no score on a seed, or lacks a metric that the decision looks at.
        SandboxUnavailable: The sandbox broke.
    """
    decision, metric = lab.config.decision, lab.config.scorer.metric
    names = decision.metrics(metric)
    _require(first, names, decision.seed)
    runs = [first]
    # The first run counts where all are equal, and nowhere else: comparisons use it.
    while not all(
        calibrated_enough([run.metrics[name] for run in runs], decision.calibrate + 1) for name in names
    ):
        seed = calibration_seed(decision.seed, len(runs) - 1)
        score = (await score_tree(lab, runner, tree, seed=seed)).score
        _require(score, names, seed)
        runs.append(score)
    values = {name: tuple(run.metrics[name] for run in runs[1:]) for name in names}
    noise = {name: _noise([run.metrics[name] for run in runs]) for name in names}
    if decision.noise is not None:
        noise[metric] = Noise(sd=decision.noise, origin="stated")
    return Calibration(values, noise, _detectable(decision, lab, noise[metric]))


def _noise(values: list[float]) -> Noise:
    return estimate_noise(values[1:] if len(values) > 2 else values)


def _detectable(decision: Decision, lab: Lab, noise: Noise) -> float | None:
    scorer = lab.config.scorer
    tries = tries_of(decision, {"iterations": lab.config.budget.iterations or 0})
    found = detectable_improvement(rules_of(decision, scorer.metric, scorer.goal, tries), noise)
    return found if math.isfinite(found) else None


def _require(score: Score, names: tuple[str, ...], seed: int) -> None:
    if score.value is None:
        raise LockError(
            f"The commit that is locked has no score with LAB_SEED={seed}: {score.reason}",
            "Nothing was locked. Mend the candidate or the scorer; every seed must give a score.",
        )
    if missing := [name for name in names if name not in score.metrics]:
        known = ", ".join(sorted(score.metrics)[:20])
        raise LockError(
            f"[decision] looks at the metric {missing[0]!r}, which the scorecard lacks (it has {known}).",
            "Nothing was locked. Correct the name, or have the scorer write it.",
        )
