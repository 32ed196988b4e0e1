"""What is written by the hundred: every event, state, task run and log arrives, and can be asked for."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from lab_plugin.local_api import LocalApi
from tests.local_api.test_flows import launch, runs


def test_all_rows_of_a_campaign_arrive(served: LocalApi, tmp_path: Path) -> None:
    before = {run.id for run in runs(served)}
    out, err = launch(served, tmp_path, "run").communicate(timeout=120)
    assert (out, err) == ("done 0\ndone 1\ndone 2\n", "")
    new = [run for run in runs(served) if run.id not in before]
    iterations = [str(run.id) for run in new if run.parent_task_run_id]
    wanted = {"flow_runs": {"id": {"any_": iterations}}}
    assert len(iterations) == 3

    tasks = settled(served, "task_runs", wanted, lambda rows: all(row["end_time"] for row in rows), 3)
    assert {row["state_type"] for row in tasks} == {"COMPLETED"}
    for row in tasks:
        history = ask(served, "GET", f"task_run_states/?task_run_id={row['id']}")
        assert Counter(state["type"] for state in history) == {"PENDING": 1, "RUNNING": 1, "COMPLETED": 1}

    def told(rows: list[dict[str, Any]]) -> bool:
        return sum(row["message"] == "a line in the API, not in the terminal" for row in rows) == 3

    settled(served, "logs", {"logs": {"flow_run_id": {"any_": iterations}}}, told)


def test_events_arrive_with_what_they_are_related_to(served: LocalApi, tmp_path: Path) -> None:
    before = {run.id for run in runs(served)}
    launch(served, tmp_path, "run").communicate(timeout=120)
    run = next(run for run in runs(served) if run.id not in before and run.parent_task_run_id)
    related = {"related": {"id": [f"prefect.flow-run.{run.id}"]}, "occurred": {}}
    deadline = time.monotonic() + 60
    names: Counter[str] = Counter()
    while sum(names.values()) < 3 and time.monotonic() < deadline:
        time.sleep(0.5)
        page = ask(served, "POST", "events/filter", {"filter": related, "limit": 50})
        names = Counter(event["event"] for event in page["events"])
    assert names == {
        "prefect.task-run.Pending": 1,
        "prefect.task-run.Running": 1,
        "prefect.task-run.Completed": 1,
    }


def ask(api: LocalApi, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = httpx.request(method, f"{api.wait()}/{path}", json=body, trust_env=False, timeout=60)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def settled(
    api: LocalApi, kind: str, wanted: dict[str, Any], enough: Any, count: int | None = None
) -> list[dict[str, Any]]:
    """The rows of a kind, once they are what is expected; the API writes them some time later."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows: list[dict[str, Any]] = ask(api, "POST", f"{kind}/filter", {"limit": 200, **wanted})
        if rows and enough(rows) and count in (None, len(rows)):
            return rows
        time.sleep(0.5)
    raise AssertionError(f"{kind} of the campaign: {rows}")


def test_what_reads_while_it_writes_does_not_wait_for_itself(served: LocalApi) -> None:
    ask(served, "POST", "work_pools/", {"name": "paused", "type": "process"})
    queue = ask(served, "POST", "work_pools/paused/queues", {"name": "urgent"})
    for path in (f"work_queues/{queue['id']}", "work_pools/paused/queues/urgent"):
        for paused in (True, False):
            # The API says so in an event, which it reads the database for before it has written.
            ask(served, "PATCH", path, {"is_paused": paused})
            assert ask(served, "GET", "work_pools/paused/queues/urgent")["is_paused"] is paused
