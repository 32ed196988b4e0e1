"""A trial inside a batch of 20, over its two bare processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median

from lab_plugin.scorer import SCORECARD
from tests.benchmarks._labs import Bench, bench, loop
from tests.benchmarks._report import figure

BATCH = 20
IDEAS = 6


def main() -> None:
    with bench(batch=BATCH) as one:
        bare = mean(_bare(one) for _ in range(BATCH))
        seconds = asyncio.run(loop(one, IDEAS))
        bare = mean((bare, mean(_bare(one) for _ in range(BATCH))))
    trial = 1e3 * median(seconds) / BATCH
    baseline = ("bare processes", 1e3 * bare)
    figure("a trial, its share of the iteration included", trial, "ms", against=baseline)
    figure("over the two bare processes", trial - 1e3 * bare, "ms", target="60")


def _bare(one: Bench) -> float:
    """Seconds of candidate and scorer as plain processes."""
    with tempfile.TemporaryDirectory() as outputs:
        scorecard = Path(outputs) / SCORECARD
        environment = {**os.environ, "LAB_OUTPUTS": outputs, "LAB_SCORECARD": str(scorecard)}
        began = time.perf_counter()
        for program in ("candidate.py", "scorer/score.py"):
            subprocess.run([sys.executable, "-I", "-S", program], cwd=one.folder, env=environment, check=True)
        return time.perf_counter() - began
