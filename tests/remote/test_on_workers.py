"""Trials on a real process worker through a real Prefect API, which is killed with all that it started."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import git
from tests.flows.test_in_prefect import ask
from tests.program import LAB, Cli, minutes_alone
from tests.remote.conftest import lay_out, travelling

__all__ = ["ask"]

SLOW = """
import time
if os.environ["LAB_TIER"] == "final":
    time.sleep(6)
"""
TRIAL = {"tags": {"all_": ["lab-trial", "pool:box"]}}
PATIENCE = 600.0


def until(what: Callable[[], Any], said: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.3)
    raise AssertionError(f"not within {PATIENCE:g} s: {said}")


def kill_all(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What a power cut does; returns what was ended."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(process.pid)
        found = [top, *top.children(recursive=True)]
        for each in found:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
        return found
    return []


@pytest.fixture
def worker(
    tmp_path: Path,
    environment: dict[str, str],
    environments: Path,
    ask: Callable[..., Any],  # noqa: F811
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    api = json.loads((Path(environment["PREFECT_LAB_HOME"]) / "prefect" / "api.json").read_text())
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        home = tmp_path / name
        home.mkdir(mode=0o700)
        (home / "environments").symlink_to(environments)
        settings = {
            "PREFECT_API_URL": f"http://127.0.0.1:{api['port']}/api",
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_LAB_HOME": str(home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        command = [str(Path(sys.executable).with_name("prefect")), "worker", "start", "--pool", "box"]
        with (tmp_path / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--type", "process", "--name", name],
                env={**environment, **settings},
                stdout=log,
                stderr=log,
                cwd=tmp_path,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        kill_all(process)


@contextmanager
def campaign(folder: Path, environment: dict[str, str], count: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [LAB, "run", "-n", str(count), "--json"],
        cwd=folder,
        env={**environment, "PREFECT_LAB_LOST_AFTER": "40"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@minutes_alone
def test_a_worker_is_killed_and_a_campaign_is_interrupted(
    cli: Cli,
    environment: dict[str, str],
    ask: Callable[..., Any],  # noqa: F811 - the fixture
    worker: Callable[[str], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "repo"
    lay_out(folder, pool=True)
    (folder / "candidate.py").write_text((folder / "candidate.py").read_text() + SLOW)
    git(folder, "commit", "-qam", "Be slow")
    cli("lock", cwd=folder)
    # The pool must be there before a campaign.
    assert "no work pool" in cli("run", "-n", "2", cwd=folder, code=1).stderr
    first = worker("one")

    def trials() -> list[dict[str, Any]]:
        return list(ask("flow_runs", flow_runs=TRIAL, sort="ID_DESC"))

    until(lambda: any(pool["name"] == "box" for pool in ask("work_pools")), "the worker's pool")
    with campaign(folder, environment, 2) as process:
        until(lambda: sandboxed(first), "a trial runs")
        running = kill_all(first)
        until(lambda: not any(map(lives, running)), "all below the worker is dead")
        worker("two")
        out, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert "was lost on the pool 'box': no sign of life" in told
    (decided,) = [idea for idea in json.loads(out)["ideas"] if idea["tier"] == "final"]
    assert decided["value"] is not None
    assert sorted(run["state"]["name"] for run in trials()) == ["Crashed", "Scored"]

    with campaign(folder, environment, 4) as process:
        until(lambda: [run for run in trials() if run["state"]["name"] == "Running"], "the next trial")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    # Nothing goes on that nobody waits for.
    until(lambda: "Cancelled" in {run["state"]["name"] for run in trials()}, "the worker ends the trial")
    with campaign(folder, environment, 4) as process:
        out, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    # Two of the campaign before, and four of this one, which was interrupted.
    assert len(json.loads(out)["ideas"]) == 2 + 4
    assert travelling(tmp_path / "hub.git") == {"kits", "scorers"}


def lives(process: psutil.Process) -> bool:
    """Whether a process is there, and no zombie."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def sandboxed(process: subprocess.Popen[bytes]) -> bool:
    """Whether a candidate runs below a process."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        for each in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if "candidate.py" in " ".join(each.cmdline()):
                    return True
    return False
