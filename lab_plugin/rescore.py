"""Scoring a commit outside a campaign: the baseline at a lock, a probe, or an idea that is verified."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lab_plugin.campaign import trial_params
from lab_plugin.idea import PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.sandbox import Execution
from lab_plugin.scorer import Score, Trial, TrialRunner
from lab_plugin.scratch import scratch


@dataclass(frozen=True)
class Rescoring:
    """What a commit does now.

    Attributes:
        execution: The candidate's run.
        score: What the scorer made of it.
    """

    execution: Execution
    score: Score


async def with_collected_tests(lab: Lab, runner: TrialRunner) -> TrialRunner:
    """A runner for a scorer that is not locked yet: its tests, if it consists of tests, are collected first.

    Raises:
        LockError: They cannot be collected.
        SandboxUnavailable: The sandbox broke.
    """
    if lab.config.scorer.contract != "tests":
        return runner
    with scratch(lab.folder) as folder:
        return runner.with_tests(await runner.collect(folder))


async def score_tree(lab: Lab, runner: TrialRunner, tree: str, number: int = 0) -> Rescoring:
    """Run and score one tree, in a workspace written from git.

    Args:
        lab: The lab.
        runner: Under the lock to score with.
        tree: The candidate's tree.
        number: The idea's number, for `LAB_IDEA`; 0 for the baseline.

    Raises:
        SandboxUnavailable: The sandbox broke.
        RepositoryError: The tree cannot be written out.
    """
    pool = lab.pool
    workspace = await asyncio.to_thread(pool.acquire, tree)
    try:
        with scratch(lab.folder) as folder:
            trial = Trial(
                name=f"{lab.name}-{number:04d}-rescore",
                idea=f"{number:04d}",
                workspace=workspace.path,
                folder=folder,
                params=trial_params(lab, PlannedPoint(tree=tree)),
                seed=lab.config.decision.seed,
            )
            execution = await runner.execute(trial)
            return Rescoring(execution, await runner.evaluate(trial, execution))
    finally:
        pool.release(workspace, tainted=not runner.contained)
