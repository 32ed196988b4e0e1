"""Trials on process workers: free slot to the next trial's start, and 200 iterations under random kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from tests.benchmarks._report import figure
from tests.program import LAB
from tests.remote.conftest import lay_out, travelling

QUEUED = 8
KILLS = int(os.environ.get("LAB_CHAOS_ITERATIONS", "200"))
WORKERS = 4
_BIN = Path(sys.executable).parent


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lab-fleet-") as name:
        with _stand(Path(name)) as stand:
            gaps = _gaps(stand)
        figure("free slot to the next trial's start, median", median(gaps), "s", target="< 3")
        figure("the slowest", max(gaps), "s")
    with tempfile.TemporaryDirectory(prefix="lab-chaos-") as name:
        _chaos(Path(name))


class _Stand:
    """An API, workers and a lab with a tier on them, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))
        }
        self.environment = {**kept, "PREFECT_LAB_HOME": str(folder / "home"), "PREFECT_LAB_LOST_AFTER": "20"}
        self.api: subprocess.Popen[bytes] | None = None
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "home").mkdir()
        lay_out(folder / "repo", pool=True)
        subprocess.run(
            [LAB, "lock"], cwd=folder / "repo", env=self.environment, check=True, capture_output=True
        )

    @property
    def url(self) -> str:
        port = json.loads((self.folder / "home" / "prefect" / "api.json").read_text())["port"]
        return f"http://127.0.0.1:{port}/api"

    def start_api(self) -> None:
        command = [
            sys.executable,
            "-m",
            "lab_plugin.local_api",
            "--home",
            str(self.folder / "home" / "prefect"),
        ]
        self.api = self._start("api", command, {})
        while True:
            with suppress(OSError, ValueError, httpx.HTTPError):
                if httpx.get(f"{self.url}/health", trust_env=False).is_success:
                    return
            time.sleep(0.2)

    def start_worker(self, name: str, *options: str) -> None:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        if not (home / "environments").exists():
            (home / "environments").symlink_to(self.folder / "home" / "environments")
        command = [str(_BIN / "prefect"), "worker", "start", "--pool", "box", "--type", "process"]
        settings = {
            "PREFECT_API_URL": self.url,
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_LAB_HOME": str(home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self.workers[name] = self._start(name, [*command, "--name", name, *options], settings)

    def campaign(self, iterations: int, jobs: int) -> subprocess.Popen[bytes]:
        command = [LAB, "run", "-n", str(iterations), "-j", str(jobs), "--json"]
        return self._start("campaign", command, {}, cwd=self.folder / "repo")

    def ask(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.url}/{path}/filter", json={"limit": 200, **filters}, trust_env=False)
        answer.raise_for_status()
        return list(answer.json())

    def close(self) -> None:
        for process in (*self.workers.values(), self.api):
            if process is not None:
                kill(process)

    def _start(
        self, name: str, command: list[str], settings: Mapping[str, str], cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env={**self.environment, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all below it, as a power cut does."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(process.pid)
        for each in [top, *top.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


@contextmanager
def _stand(folder: Path) -> Iterator[_Stand]:
    stand = _Stand(folder)
    try:
        stand.start_api()
        yield stand
    finally:
        stand.close()


def _gaps(stand: _Stand) -> list[float]:
    """Seconds from the end of each trial to the start of the next, of one worker that runs one at a time."""
    stand.start_worker("one", "--limit", "1")
    while not stand.ask("work_pools"):
        time.sleep(0.2)
    if stand.campaign(2 * QUEUED, 4).wait():
        raise SystemExit((stand.folder / "campaign.log").read_text())
    found = stand.ask("flow_runs", flow_runs={"tags": {"all_": ["lab-trial"]}}, sort="START_TIME_ASC")
    times = [
        (datetime.fromisoformat(run["start_time"]), datetime.fromisoformat(run["end_time"])) for run in found
    ]
    expected = [datetime.fromisoformat(run["expected_start_time"]) for run in found]
    # Only those that were waiting for the slot.
    return [
        (times[at][0] - times[at - 1][1]).total_seconds()
        for at in range(1, len(times))
        if expected[at] < times[at - 1][1]
    ] or [float("nan")]


def _chaos(folder: Path) -> None:
    """Kill workers, trials, campaigns and the API at random times; count what came of it."""
    chance, kills = random.Random(1), dict.fromkeys(("worker", "trial", "campaign", "API"), 0)
    with _stand(folder) as stand:
        for number in range(WORKERS):
            stand.start_worker(f"worker-{number}")
        while not stand.ask("work_pools"):
            time.sleep(0.2)
        running, began = stand.campaign(KILLS, WORKERS), time.monotonic()
        while running.poll() is None or running.returncode != 0:
            if running.poll() is not None:
                running = stand.campaign(KILLS, WORKERS)
            time.sleep(chance.uniform(3.0, 12.0))
            what = chance.choices(list(kills), weights=(4, 6, 2, 1))[0]
            kills[what] += _kill_one(stand, running, what, chance)
        seconds = time.monotonic() - began
        _report(stand, kills, seconds)


def _kill_one(stand: _Stand, running: subprocess.Popen[bytes], what: str, chance: random.Random) -> int:
    if what == "campaign":
        running.send_signal(signal.SIGKILL)
        running.wait()
    elif what == "API":
        assert stand.api is not None
        kill(stand.api)
        stand.start_api()
    else:
        name = chance.choice(list(stand.workers))
        below: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(stand.workers[name].pid).children()
        if what == "worker":
            kill(stand.workers[name])
            stand.start_worker(name)
        elif below:
            with suppress(psutil.NoSuchProcess):
                chance.choice(below).kill()
        else:
            return 0
    return 1


def _report(stand: _Stand, kills: Mapping[str, int], seconds: float) -> None:
    def document(*arguments: str) -> Any:
        done = subprocess.run(
            [LAB, *arguments, "--json"], cwd=stand.folder / "repo", env=stand.environment, capture_output=True
        )
        return json.loads(done.stdout)

    found = document("results")
    numbers = [idea["number"] for idea in found["ideas"]]
    kept = [idea["value"] for idea in found["ideas"] if idea["verdict"] == "kept"]
    figure("iterations", len(numbers), f"in {seconds:.0f} s")
    figure("verdicts beyond one per idea", len(numbers) - len(set(numbers)), "", target="0")
    figure("ideas without a verdict", len(set(range(1, KILLS + 1)) - set(numbers)), "", target="0")
    right = not kept or found["champion"]["value"] == min(kept)
    figure("champion is the best keep", float(right), "", target="1")
    for what, count in kills.items():
        figure(f"kills of a {what}", count, "")
    figure(
        "kinds of refs left on the remote",
        len(travelling(stand.folder / "hub.git") - {"kits", "scorers"}),
        "",
        target="0",
    )
    time.sleep(5)
    # Every process of the lab shows its folder in its arguments or in its environment.
    figure("trials that still run", len(_candidates(stand.folder)), "", target="0")


def _candidates(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(folder) in line and "candidate.py" in line:
            found.append(process.pid)
    return found
