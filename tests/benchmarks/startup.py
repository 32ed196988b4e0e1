"""From `lab run` to the start of the first trial, with the local API's database migrated and no server."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from tests.benchmarks._labs import Bench, bench
from tests.benchmarks._report import figure

RUNS = 3


def main() -> None:
    with bench() as one:
        one.lab("run", "-n", "1")
        seconds = [_first_trial(one, number) for number in range(2, 2 + RUNS)]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import prefect.server.api.server, prefect"], check=True)
    imports = time.perf_counter() - began
    figure(
        "`lab run` to the first trial, median", median(seconds), "s", against=("imports", imports), target="6"
    )


def _first_trial(one: Bench, number: int) -> float:
    """Seconds until the candidate's folder of an idea is there."""
    one.stop_api()
    began = time.perf_counter()
    program = one.start("run", "-n", "1")
    pattern = f"labs/*/trials/{number:04d}/*/0/candidate"
    while not list(one.home.glob(pattern)):
        if program.poll() is not None:
            raise SystemExit("the campaign ended without a trial")
        time.sleep(0.005)
    seconds = time.perf_counter() - began
    program.wait()
    return seconds
