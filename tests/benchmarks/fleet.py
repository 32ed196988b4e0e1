"""Trials on a process worker: from a free slot to the next trial's start, and the API's processor time."""

from __future__ import annotations

import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.benchmarks._report import figure
from tests.benchmarks._stand import Stand, import_seconds, opened_stand

QUEUED = 8
_IMPORT = "a process that imports Prefect"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lab-fleet-") as name, opened_stand(Path(name)) as stand:
        seconds = _run(stand)
        trials = _trials(stand)
    imports = [import_seconds() for _ in range(5)]
    baseline = (_IMPORT, median(wall for wall, _ in imports))
    processor = (_IMPORT, median(cpu for _, cpu in imports))
    gaps = [later["RUNNING"] - before["end"] for before, later in _waiting(trials)]
    claims = [later["PENDING"] - before["end"] for before, later in _waiting(trials)]
    figure("free slot to the next trial's start, median", median(gaps), "s", against=baseline, target="< 3")
    figure("the slowest", max(gaps), "s", against=baseline)
    figure("of it: until a worker has claimed the trial", median(claims), "s")
    figure("processor time of the API per iteration", seconds / (2 * QUEUED), "s", against=processor)
    figure("of these iterations, trials on the worker", len(trials), "")


def _run(stand: Stand) -> float:
    """A campaign with one worker that runs one trial at a time; the API's processor seconds meanwhile."""
    stand.start_worker("one", "--limit", "1")
    while not stand.ask("work_pools"):
        time.sleep(0.2)
    # What a first trial finds cold is warm in all later ones.
    _campaign(stand, 2)
    assert stand.api is not None
    api = psutil.Process(stand.api.pid)
    before = api.cpu_times()
    _campaign(stand, 2 * QUEUED)
    after = api.cpu_times()
    return after.user + after.system - before.user - before.system


def _campaign(stand: Stand, iterations: int) -> None:
    if stand.campaign(iterations, 4).wait():
        raise SystemExit((stand.folder / "campaign.log").read_text())


def _trials(stand: Stand) -> list[dict[str, float]]:
    """Of each trial but the first: when it was in which state, when it was due, and its end."""
    found = stand.ask("flow_runs", flow_runs={"tags": {"all_": ["lab-trial"]}}, sort="START_TIME_ASC")
    return [_times(stand, run) for run in found[1:]]


def _times(stand: Stand, run: dict[str, Any]) -> dict[str, float]:
    states = stand.read(f"flow_run_states/?flow_run_id={run['id']}")
    times = {state["type"]: _seconds(state["timestamp"]) for state in states}
    return {**times, "due": _seconds(run["expected_start_time"]), "end": _seconds(run["end_time"])}


def _waiting(trials: list[dict[str, float]]) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Each trial that waited for the slot of the one before, with that one."""
    pairs = [pair for pair in zip(trials, trials[1:], strict=False) if pair[1]["due"] < pair[0]["end"]]
    if not pairs:
        raise SystemExit("No trial waited for the slot: more iterations are needed.")
    return pairs


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
