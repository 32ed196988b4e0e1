"""Running the points of an idea, and answering from the ledger what was run before."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab_plugin.campaign._answers import Answer, find_answer
from lab_plugin.campaign._curves import curves_of, settle
from lab_plugin.campaign._ideas import trial_params
from lab_plugin.comparison import RunRepeat
from lab_plugin.epoch import snapshot_of
from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.ledger import TierRecord, VerdictRecord
from lab_plugin.lock_in_force import require_lock
from lab_plugin.pruning import Curve, Pruned, PruningDesk
from lab_plugin.repository import WorkspacePool
from lab_plugin.sandbox import Execution, Sandbox
from lab_plugin.scorer import Runner, Score, Trial, workspace_for
from lab_plugin.scratch import scratch


@dataclass(frozen=True)
class PointRun:
    """One point on its way: it ran, or the ledger answers for it.

    Attributes:
        trial: Folder, parameters and seed.
        tree: What ran.
        execution: What the candidate did; None when answered.
        answer: Set when the point need not run.
        curve: What the candidate reported of itself.
        pruned: Set when its curve is one that is ended: it has no score.
        seconds: Wall seconds, where there is no execution to tell them.
    """

    trial: Trial
    tree: str
    execution: Execution | None = None
    answer: Answer | None = None
    curve: Curve = field(default_factory=Curve)
    pruned: Pruned | None = None
    seconds: float = 0.0


class TrialDesk:
    """Runs the trials of ideas in pooled workspaces.

    Args:
        lab: The lab.
        runner: Runs one trial.
        pool: Workspaces.
        folder: One folder per idea is made here and belongs to the idea until its verdict.
        pruning: Watches the runs of `execute`; None where no curve is read.
    """

    def __init__(
        self,
        lab: Lab,
        runner: Runner,
        pool: WorkspacePool,
        folder: Path,
        pruning: PruningDesk | None = None,
    ) -> None:
        self._lab = lab
        self._runner = runner
        self._pool = pool
        self._folder = folder
        self._pruning = pruning

    def folder_of(self, number: int) -> Path:
        """Where all that comes of an idea's trials lies until its verdict."""
        return self._folder / f"{number:04d}"

    async def execute(self, idea: Idea) -> tuple[PointRun, ...]:
        """Run the candidate once per point; equal points share one run, an idea with a fault has none.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        if idea.fault is not None:
            return ()
        shutil.rmtree(self._here(idea.number), ignore_errors=True)
        runs: dict[str, PointRun] = {}
        for index, point in enumerate(idea.points):
            if point.tree not in runs:
                runs[point.tree] = await self._execute(idea, index)
        return tuple(runs[point.tree] for point in idea.points)

    async def evaluate(self, runs: tuple[PointRun, ...]) -> tuple[Score, ...]:
        """Score what the candidates left, point by point.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        scores: list[Score] = []
        done: dict[str, Score] = {}
        for run in runs:
            name = run.trial.name
            if name in done:
                score = replace(done[name], seconds=0.0)
            elif run.answer is not None:
                score = run.answer.score
            elif run.pruned is not None:
                score = self._unscored(run, run.pruned)
            else:
                assert run.execution is not None
                score = await self._runner.evaluate(run.trial, run.execution)
            scores.append(score)
            done[name] = score
        return tuple(scores)

    def answered(
        self, runs: tuple[PointRun, ...], scores: tuple[Score, ...]
    ) -> tuple[tuple[PointRun, ...], tuple[Score, ...]]:
        """Runs and scores as they would be, had they begun now: some the ledger answers for by now."""
        told = {run.trial.name: self._answer(run.tree) for run in runs if run.answer is None}
        now = [
            (PointRun(run.trial, run.tree, answer=answer), answer.score)
            if (answer := told.get(run.trial.name)) is not None
            else (run, score)
            for run, score in zip(runs, scores, strict=True)
        ]
        return tuple(run for run, _ in now), tuple(score for _, score in now)

    def settle(self, record: VerdictRecord | TierRecord, runs: Sequence[PointRun]) -> None:
        """Let the pruner see what came of an idea at this tier.

        Args:
            record: Its verdict, or its result here.
            runs: Of its points.
        """
        if self._pruning is not None:
            settle(self._pruning, record, curves_of(runs), self._lab.config.scorer.metric)

    async def repeat(self, number: int, tree: str, params: Mapping[str, Any] | None, seed: int) -> Score:
        """Run and score a tree on a further seed; nothing but the score is kept.

        Args:
            number: The idea's; 0 for the baseline.
            tree: Its tree.
            params: Its parameters; None for those that the tree holds.
            seed: `LAB_SEED`.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        async with workspace_for(self._runner, self._pool, tree) as workspace:
            with scratch(self._lab.folder) as folder:
                point = PlannedPoint(tree=tree, params=dict(params or {}))
                trial = Trial(
                    # A champion may be repeated by several ideas at once, on different seeds.
                    name=f"{self._lab.name}-{number:04d}-seed-{seed}",
                    idea=f"{number:04d}",
                    workspace=workspace,
                    folder=folder,
                    params=trial_params(self._lab, point),
                    seed=seed,
                    tier=self._lab.config.tier,
                    tree=tree,
                    passing=True,
                )
                return await self._runner.evaluate(trial, await self._runner.execute(trial))

    async def _execute(self, idea: Idea, index: int) -> PointRun:
        point = idea.points[index]
        trial = self._trial(idea, index)
        answer = self._answer(point.tree)
        if answer is not None:
            return PointRun(trial, point.tree, answer=answer)
        trial.folder.mkdir(parents=True)
        async with workspace_for(self._runner, self._pool, point.tree) as workspace:
            trial = replace(trial, workspace=workspace)
            return await self._watched(idea.number, index, trial, point.tree)

    def _here(self, number: int) -> Path:
        """Where what comes of an idea at this tier lies."""
        return self.folder_of(number) / self._lab.config.tier

    async def _watched(self, number: int, index: int, trial: Trial, tree: str) -> PointRun:
        """Run a candidate, and end it when its curve is one to end; repeats are never ended so."""
        run = self._runner.execute(trial)
        if self._pruning is None:
            return PointRun(trial, tree, execution=await run)
        log, log_bytes = self._runner.candidate_log(trial)
        found = await self._pruning.watch(number, index, run, log, log_bytes)
        return PointRun(trial, tree, found.result, None, found.curve, found.pruned, found.seconds)

    def _unscored(self, run: PointRun, pruned: Pruned) -> Score:
        execution = run.execution
        return Score(
            status="pruned",
            reason=pruned.reason,
            seconds=run.seconds if execution is None else execution.wall_seconds,
            sandbox=self._runner.kind,
            guarantees=() if execution is None else execution.guarantees,
            pruned=pruned,
        )

    def _trial(self, idea: Idea, index: int) -> Trial:
        return Trial(
            name=f"{self._lab.name}-{idea.number:04d}-{index}",
            idea=f"{idea.number:04d}",
            workspace=Path(),
            folder=self._here(idea.number) / str(index),
            params=trial_params(self._lab, idea.points[index]),
            seed=self._lab.config.decision.seed,
            tier=self._lab.config.tier,
            tree=idea.points[index].tree,
        )

    def _answer(self, tree: str) -> Answer | None:
        return find_answer(self._lab, self._lab.ledger.state(), tree)


def one_repeat(lab: Lab, sandbox: Sandbox) -> RunRepeat:
    """What runs single repeats under the lock in force, outside a campaign.

    Args:
        lab: A locked lab.
        sandbox: Probed.
    """
    record, lock = require_lock(lab)
    runner = lab.runner_of(sandbox, snapshot_of(lab, record), lock.terms.files).with_tests(record.tests)
    return TrialDesk(lab, runner, lab.pool, lab.folder / "trials").repeat
