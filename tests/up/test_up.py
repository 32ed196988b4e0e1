"""`lab up`: all of it with one command, and nothing left of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lab_plugin.local_api import LocalApi
from tests.ports import free_port
from tests.program import LAB, minutes_alone
from tests.up.conftest import Up, marked, wait_until

FLOW = """
import os
from pathlib import Path
from prefect import flow


@flow
async def hello(answer: str) -> None:
    Path(answer).write_text(os.environ["PREFECT_LAB_HOME"])
"""
DEPLOY = """
import asyncio, sys
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from lab_plugin.fleet import DeploymentPlan, ensure_deployment


async def main(flow, answer):
    async with get_client() as client:
        await ensure_deployment(client, DeploymentPlan(flow, "here", "bench"))
    run = await run_deployment("hello/here", parameters={"answer": answer}, timeout=200, poll_interval=0.5)
    print((run.start_time - run.expected_start_time).total_seconds())
    assert run.state.is_completed(), run.state


asyncio.run(main(*sys.argv[1:]))
"""
THROUGH = """
import sys
from pathlib import Path
from mlflow import MlflowClient

uri, name, text = sys.argv[1:]
client = MlflowClient(uri)
experiment = client.create_experiment(name)
run = client.create_run(experiment)
client.log_text(run.info.run_id, text, "note.txt")
print(run.info.run_id)
"""
BACK = """
import sys
from mlflow import MlflowClient

uri, run, folder = sys.argv[1:]
print(open(MlflowClient(uri).download_artifacts(run, "note.txt", folder)).read())
"""


def python(program: str, *arguments: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def with_pool(make_lab: Callable[..., Path]) -> Path:
    folder = make_lab()
    (folder / "lab.toml").open("a").write(
        '\n[pools.bench]\n\n[pools.cluster]\nkind = "kubernetes"\nimage = "x:1"\n'
    )
    return folder


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@minutes_alone
def test_two_users_of_one_machine_share_all_and_nothing_is_left(
    up: Callable[..., Up], up_home: Path, make_lab: Callable[..., Path], tmp_path: Path
) -> None:
    lab = with_pool(make_lab)
    ports = ("--port", str(free_port()), "--mlflow-port", str(free_port()))
    first = up(*ports, cwd=lab)
    told = first.addresses
    assert told["prefect"]["ui"].endswith(ports[1])
    assert told["mlflow"]["ui"].endswith(ports[3])
    assert told["workers"] == [{"name": "bench", "kind": "process"}]
    assert [pool["name"] for pool in told["skipped"]] == ["cluster"]
    assert LocalApi(up_home / "prefect").running() == told["prefect"]["api"], "campaigns find it"
    with urllib.request.urlopen(told["mlflow"]["ui"]) as page:
        assert b"MLflow" in page.read()

    program = tmp_path / "flow.py"
    program.write_text(FLOW)
    delay = python(
        DEPLOY, f"{program}:hello", tmp_path / "answer", cwd=tmp_path, PREFECT_API_URL=told["prefect"]["api"]
    )
    print(f"from due to running: {delay} s")
    assert (tmp_path / "answer").read_text() == str(up_home)

    direct = f"sqlite:///{up_home / 'mlflow' / 'mlflow.db'}"
    for one, other in ((told["mlflow"]["ui"], direct), (direct, told["mlflow"]["ui"])):
        run = python(THROUGH, one, f"by {one[:4]}", f"written by {one}", cwd=tmp_path)
        assert python(BACK, other, run, tmp_path, cwd=tmp_path) == f"written by {one}"

    second = up(cwd=tmp_path)
    assert second.addresses["prefect"] == told["prefect"]
    assert second.addresses["mlflow"] == told["mlflow"]

    victim = next(pid for pid in marked("PREFECT_LAB_HOME", up_home) if b"uvicorn" in _cmdline(pid))
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: first.said().count(f"ready: {told['mlflow']['ui']}") == 2, "MLflow is up again")
    assert "is started again" in first.said()

    first.end(signal.SIGKILL)
    wait_until(lambda: f"ready: {told['mlflow']['ui']}\n" in second.said(), "the second serves MLflow")
    wait_until(lambda: LocalApi(up_home / "prefect").running() == told["prefect"]["api"], "and the API")
    assert second.end(signal.SIGTERM) == 0
    assert marked("PREFECT_LAB_HOME", up_home) == []


def test_a_port_that_is_taken(up_home: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [LAB, "up", "--json", "--port", str(port)],
            cwd=tmp_path,
            env={**os.environ, "PREFECT_LAB_HOME": str(up_home), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert f"Port {port}, given by --port, is taken by process {os.getpid()}" in error["message"]
    assert "--port" in error["remedy"]
    assert marked("PREFECT_LAB_HOME", up_home) == []
