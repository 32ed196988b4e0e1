"""200 iterations on 4 process workers, of which any process is killed at random times.

Between two kills is the time of 2 to 8 imports of Prefect: what is killed more often than it can start does
nothing else.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks._report import figure
from tests.benchmarks._stand import Stand, import_seconds, kill, opened_stand
from tests.program import LAB
from tests.remote.conftest import travelling

ITERATIONS = int(os.environ.get("LAB_CHAOS_ITERATIONS", "200"))
WORKERS = 4


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lab-chaos-") as name:
        _chaos(Path(name))


def _chaos(folder: Path) -> None:
    """Kill workers, trials, campaigns and the API at random times; count what came of it."""
    chance, kills = random.Random(1), dict.fromkeys(("worker", "trial", "campaign", "API"), 0)
    pause = import_seconds()[0]
    with opened_stand(folder) as stand:
        for number in range(WORKERS):
            stand.start_worker(f"worker-{number}")
        while not stand.ask("work_pools"):
            time.sleep(0.2)
        running, began = stand.campaign(ITERATIONS, WORKERS), time.monotonic()
        while running.poll() is None or running.returncode != 0:
            if running.poll() is not None:
                running = stand.campaign(ITERATIONS, WORKERS)
            time.sleep(pause * chance.uniform(2.0, 8.0))
            what = chance.choices(list(kills), weights=(4, 6, 2, 1))[0]
            kills[what] += _kill_one(stand, running, what, chance)
        seconds = time.monotonic() - began
        _report(stand, kills, seconds)


def _kill_one(stand: Stand, running: subprocess.Popen[bytes], what: str, chance: random.Random) -> int:
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


def _report(stand: Stand, kills: Mapping[str, int], seconds: float) -> None:
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
    figure("ideas without a verdict", len(set(range(1, ITERATIONS + 1)) - set(numbers)), "", target="0")
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
