"""What one commit scores at the tiers before the last, when a lab is locked or checked."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.calibration import calibrate
from lab_plugin.comparison import noise_record
from lab_plugin.decision import Pairs
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import TierScore
from lab_plugin.promotion import Decided
from lab_plugin.rescore import score_tree, with_collected_tests
from lab_plugin.sandbox import Sandbox
from lab_plugin.scorer import Score, TrialRunner
from lab_plugin.tier_sandboxes import tier_sandboxes


async def score_tiers(
    lab: Lab, sandbox: Sandbox, tree: str, snapshot: str, files: Mapping[str, str]
) -> tuple[dict[str, TierScore], dict[str, tuple[str, ...]]]:
    """Score a tree at every tier before the last.

    Args:
        lab: The lab.
        sandbox: That of the last tier.
        tree: The candidate's.
        snapshot: Tree of the scorer's files.
        files: What it holds, as `Terms.files`.

    Returns:
        The scores by tier, and the ids of the tests that they are made of, where they are made of tests.

    Raises:
        LockError: The commit has no score at a tier.
        SandboxUnavailable: A sandbox broke.
    """
    scores: dict[str, TierScore] = {}
    tests: dict[str, tuple[str, ...]] = {}
    async with tier_sandboxes(lab, sandbox) as sandboxes:
        for tier in lab.config.screening:
            here = lab.at(tier.name)
            runner = await with_collected_tests(here, here.runner_of(sandboxes[tier.name], snapshot, files))
            runs = [await _scored(here, runner, tree, seed) for seed in tier.seeds]
            values = tuple(run.value for run in runs if run.value is not None)
            score = TierScore(value=Pairs(values, values).value, metrics=dict(runs[0].metrics))
            if isinstance(tier.promote, Decided):
                calibration = await calibrate(here, runner, tree, runs[0])
                noise = {name: noise_record(noise) for name, noise in calibration.noise.items()}
                known = {"noise": noise, "calibration": dict(calibration.values)}
                score = score.model_copy(update=known)
            scores[tier.name] = score
            if runner.tests:
                tests[tier.name] = runner.tests
    return scores, tests


async def _scored(lab: Lab, runner: TrialRunner, tree: str, seed: int) -> Score:
    score = (await score_tree(lab, runner, tree, seed=seed)).score
    if score.value is None:
        raise LockError(
            f"The commit has no score at the tier {lab.config.tier} with LAB_SEED={seed}: {score.reason}",
            "Nothing was locked. Mend the candidate, or what [tiers] says of this tier; `lab check` runs it.",
        )
    return score
