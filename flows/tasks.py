"""The steps of an iteration as Prefect tasks; each calls the domain and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from lab_plugin.campaign import PointRun, Screening, running
from lab_plugin.errors import SandboxUnavailable
from lab_plugin.idea import Idea
from lab_plugin.ledger import VerdictRecord
from lab_plugin.scorer import Score, clean

P = ParamSpec("P")
R = TypeVar("R")
_LOG_LINES = 40
_RETRIES = 2


async def _infrastructure_failed(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry when the sandbox broke; what a candidate does wrong is no failure of the task."""
    try:
        await state.aresult()
    except SandboxUnavailable:
        return True
    except Exception:  # noqa: BLE001 - whatever else went wrong is not for a retry to judge
        return False
    return False


def _step(work: Callable[P, Coroutine[Any, Any, R]]) -> Task[P, Coroutine[Any, Any, R]]:
    """A task that runs programs, and is tried again when the sandbox broke under it."""
    return task(
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=_RETRIES,
        retry_delay_seconds=1,
        retry_condition_fn=_infrastructure_failed,
    )(work)


@_step
async def propose(lab: str, number: int) -> Idea:
    """Ask the proposer for one idea and commit it."""
    idea = await running(lab).propose(number)
    get_run_logger().info("%s, from %s", clean(idea.title), idea.parent[:12])
    return idea


@_step
async def execute(lab: str, idea: Idea) -> tuple[PointRun, ...]:
    """Run the candidate in the sandbox, once per point."""
    runs = await running(lab).execute(idea)
    for run in runs:
        _log(lab, run.trial.folder / "candidate")
        if told := run.curve.left_out():
            get_run_logger().warning("Its curve: %s", told)
    return runs


@_step
async def evaluate(lab: str, idea: Idea, runs: tuple[PointRun, ...]) -> tuple[Score, ...]:
    """Score the outputs in a sandbox of its own."""
    scores = await running(lab).evaluate(idea, runs)
    for run in runs:
        _log(lab, run.trial.folder / "scorer")
    return scores


@_step
async def compare(lab: str, idea: Idea, runs: tuple[PointRun, ...], scores: tuple[Score, ...]) -> None:
    """Run idea and champion on further seeds, until the answer is clear."""
    await running(lab).compare(idea, runs, scores)


@_step
async def screen(
    lab: str, idea: Idea, runs: tuple[PointRun, ...], scores: tuple[Score, ...], iteration_run: str
) -> Screening:
    """Score an idea on the further seeds of its tier, and see whether it goes on."""
    found = await running(lab).screen(idea, runs, scores, iteration_run)
    if found.verdict is None:
        get_run_logger().info("%s", found.sentence)
    else:
        get_run_logger().info("%s: %s", found.verdict.verdict, found.verdict.reason)
    return found


@task(cache_policy=NO_CACHE, persist_result=False)
async def decide(
    lab: str, idea: Idea, runs: tuple[PointRun, ...], scores: tuple[Score, ...], iteration_run: str
) -> VerdictRecord:
    """Keep or revert, in one git transaction."""
    record = await running(lab).decide(idea, runs, scores, iteration_run)
    get_run_logger().info("%s: %s", record.verdict, record.reason)
    return record


@_step
async def confirm(lab: str) -> str:
    """Have the champion meet the baseline on fresh seeds."""
    sentence = await running(lab).confirm()
    get_run_logger().info("%s", sentence)
    return sentence


def _log(lab: str, folder: Path) -> None:
    """Put the end of a program's output into the flow run's log, cleaned and without secrets."""
    redactor = running(lab).lab.redactor
    for stream in ("stdout", "stderr"):
        path = folder / f"{stream}.log"
        if not path.is_file() or not path.stat().st_size:
            continue
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8_000))
            lines = redactor.text(file.read().decode("utf-8", "replace")).splitlines()[-_LOG_LINES:]
        text = "\n".join(clean(line) for line in lines)
        get_run_logger().info("%s %s:\n%s", folder.name, stream, text)
