"""Scoring a commit outside a campaign: the baseline at a lock, a probe, or an idea that is verified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab_plugin.campaign import trial_params
from lab_plugin.idea import PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.sandbox import Execution
from lab_plugin.scorer import Score, Trial, TrialRunner, workspace_for
from lab_plugin.scratch import scratch


@dataclass(frozen=True)
class Rescoring:
    """What a commit does now.

    Attributes:
        trial: The trial; its folders are there only while `rescoring` lasts.
        execution: The candidate's run.
        score: What the scorer made of it.
    """

    trial: Trial
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


async def score_tree(
    lab: Lab, runner: TrialRunner, tree: str, number: int = 0, seed: int | None = None
) -> Rescoring:
    """Run and score one tree, and remove all that came of it; see `rescoring`."""
    async with rescoring(lab, runner, tree, number, seed) as found:
        return found


@asynccontextmanager
async def rescoring(
    lab: Lab, runner: TrialRunner, tree: str, number: int = 0, seed: int | None = None
) -> AsyncIterator[Rescoring]:
    """Run and score one tree, in a workspace written from git; its outputs are there while the block lasts.

    Args:
        lab: The lab.
        runner: Under the lock to score with.
        tree: The candidate's tree.
        number: The idea's number, for `LAB_IDEA`; 0 for the baseline.
        seed: `LAB_SEED`; None for that of `[decision]`.

    Raises:
        SandboxUnavailable: The sandbox broke.
        RepositoryError: The tree cannot be written out.
    """
    async with workspace_for(runner, lab.pool, tree) as workspace:
        with scratch(lab.folder) as folder:
            trial = Trial(
                name=f"{lab.name}-{number:04d}-rescore",
                idea=f"{number:04d}",
                workspace=workspace,
                folder=folder,
                params=trial_params(lab, PlannedPoint(tree=tree)),
                seed=lab.config.decision.seed if seed is None else seed,
                tier=lab.config.tier,
                tree=tree,
            )
            execution = await runner.execute(trial)
            yield Rescoring(trial, execution, await runner.evaluate(trial, execution))
