"""One sealed scoring: of the outputs that the public one scored, or of a run of its own with other data."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.lab import Lab
from lab_plugin.sandbox import Execution, Sandbox
from lab_plugin.scorer import Runner, Score, Terms, Trial, TrialRunner, store_snapshot, workspace_for
from lab_plugin.scratch import scratch
from lab_plugin.sealing import TIER, sealed_config, sealed_files

_TRIES = 3


@dataclass(frozen=True)
class HoldoutScore:
    """What came of a sealed scoring; the lab owner's alone.

    Attributes:
        value: The hold-out's metric; None when there is none.
        reason: Why there is none; empty otherwise.
        seconds: Wall seconds of it.
    """

    value: float | None
    reason: str = ""
    seconds: float = 0.0


def store_holdout(lab: Lab, terms: Terms) -> str:
    """Put the scorer's and the hold-out's files into git's object store, as one tree.

    Returns:
        The tree's object id; "" when the lab has no hold-out.

    Raises:
        LockError: A file changed while it was read.
    """
    if lab.config.scorer.holdout is None:
        return ""
    return store_snapshot(lab.repository, lab.config.folder, sealed_files(terms))


def holdout_runner(lab: Lab, sandbox: Sandbox, tree: str, terms: Terms) -> TrialRunner:
    """What runs sealed scorings.

    Args:
        lab: A lab that has a hold-out.
        sandbox: Where.
        tree: As `store_holdout` gave it.
        terms: As locked.

    Raises:
        LockError: The tree does not hold exactly what was locked.
    """
    return lab.runner_of(sandbox, tree, sealed_files(terms), sealed_config(lab.config))


async def score_holdout(
    lab: Lab,
    runner: Runner,
    tree: str,
    params: Mapping[str, Any],
    ran: tuple[Trial, Execution] | None,
    number: int = 0,
) -> HoldoutScore:
    """Score a tree on the hold-out. All that comes of it lies in a folder of its own and is removed.

    Args:
        lab: A lab that has a hold-out.
        runner: As `holdout_runner` gave it.
        tree: The candidate's tree.
        params: The trial's parameters.
        ran: The public trial and its run, whose outputs are scored; None to run the candidate again. A
            hold-out with data of its own, a contract other than `outputs`, and a runner whose outputs are not
            here, always run it again.
        number: The idea's number, for `LAB_IDEA`; 0 for the baseline.

    Raises:
        SandboxUnavailable: The sandbox broke, three times.
    """
    scorer = lab.config.scorer
    # Only outputs can be scored a second time; a candidate that is asked questions must be asked again.
    again = scorer.contract != "outputs" or (scorer.holdout is not None and scorer.holdout.data is not None)
    for left in reversed(range(_TRIES)):
        try:
            with scratch(lab.folder) as folder:
                trial = Trial(
                    name=f"{lab.name}-{number:04d}-sealed",
                    idea=f"{number:04d}",
                    workspace=folder,
                    folder=folder / "trial",
                    params=params,
                    seed=lab.config.decision.seed,
                    # A candidate must not learn from it which scoring this is.
                    tier=lab.config.tier,
                    tree=tree,
                    passing=True,
                )
                trial.folder.mkdir()
                if ran is None or again or not runner.local:
                    return await _run(lab, runner, tree, trial)
                trial = replace(trial, workspace=ran[0].workspace)
                await asyncio.to_thread(_copy_outputs, ran[0].folder, trial.folder)
                return await _evaluate(lab, runner, trial, ran[1])
        except SandboxUnavailable:
            if not left:
                raise
    raise AssertionError("unreachable")


async def _run(lab: Lab, runner: Runner, tree: str, trial: Trial) -> HoldoutScore:
    async with workspace_for(runner, lab.pool, tree) as workspace:
        trial = replace(trial, workspace=workspace)
        execution = await runner.execute(trial)
        return await _evaluate(lab, runner, trial, execution)


async def _evaluate(lab: Lab, runner: Runner, trial: Trial, execution: Execution) -> HoldoutScore:
    # Under other contracts the candidate runs beside the scorer, and must not learn which scoring it is.
    if lab.config.scorer.contract == "outputs":
        trial = replace(trial, tier=TIER)
    score = await runner.evaluate(trial, execution)
    return HoldoutScore(score.value, "" if score.value is not None else _why(score), score.seconds)


def _why(score: Score) -> str:
    return score.reason or f"the hold-out's scoring {score.status}"


def _copy_outputs(public: Path, sealed: Path) -> None:
    """The outputs as they left the candidate's sandbox: plain files only, by the sandbox's contract."""
    source = public / "candidate" / "outputs"
    if source.is_dir():
        shutil.copytree(source, sealed / "candidate" / "outputs", symlinks=True)
