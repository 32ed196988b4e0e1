"""Flows of another process against the shared server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun

from lab_plugin.local_api import LocalApi
from lab_plugin.local_api._record import load

PROGRAM = Path(__file__).with_name("flows_program.py")


def launch(api: LocalApi, client_home: Path, plan: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), api.wait(), str(client_home), plan],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runs(api: LocalApi) -> list[FlowRun]:
    with SyncPrefectClient(api.wait()) as client:
        wanted = FlowRunFilter.model_validate({"tags": {"all_": ["lab:mini"]}})
        return list(client.read_flow_runs(flow_run_filter=wanted))


def test_a_flow_keeps_its_state_name_and_a_clean_terminal(served: LocalApi, tmp_path: Path) -> None:
    before = {run.id for run in runs(served)}
    process = launch(served, tmp_path, "run")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out == "done 0\ndone 1\ndone 2\n"
    new = [run for run in runs(served) if run.id not in before]
    states = Counter((run.name, run.state_name) for run in new if run.parent_task_run_id)
    assert states == {(f"000{number}", "Kept"): 1 for number in range(3)}


def test_the_runs_of_a_killed_process_are_closed_once_and_no_others(served: LocalApi, tmp_path: Path) -> None:
    killed, alive = launch(served, tmp_path, "hang"), launch(served, tmp_path, "hang")
    for process in (killed, alive):
        assert process.stdout is not None
        while process.stdout.readline() != "hanging\n":
            assert process.poll() is None
    killed.kill()
    killed.communicate()
    before = Counter(run.state_name for run in runs(served))
    assert before["Running"] == 2

    out, err = launch(served, tmp_path, "close").communicate(timeout=120)
    assert (out, err) == ("1 0\n", "")
    after = Counter(run.state_name for run in runs(served))
    assert (after["Running"], after["Crashed"]) == (1, before["Crashed"] + 1)
    alive.kill()
    alive.communicate()


def test_a_campaign_goes_on_when_the_api_is_killed_under_it(home: Path, port: int, tmp_path: Path) -> None:
    with LocalApi(home, port=port) as api:
        api.start()
        api.wait()
        process = launch(api, tmp_path, "pause")
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "done 0\n"
        record = load(home)
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        process.stdin.write("\n\n\n")
        process.stdin.flush()
        api.ensure()
        out, err = process.communicate(timeout=120)
        watchdog.cancel()
        assert (process.returncode, out, err) == (0, "done 1\ndone 2\n", "")
        states = Counter(run.state_name for run in runs(api) if run.parent_task_run_id)
        assert states == {"Kept": 3}
