"""An iteration in a repository of 10,000 files and in one of 10; without Prefect."""

from __future__ import annotations

import asyncio
from statistics import median

from tests.benchmarks._labs import bench, loop
from tests.benchmarks._report import figure

ITERATIONS = 40
WARM_UP = 5


def main() -> None:
    small, large = _iteration(4), _iteration(10_000)
    figure("10,000 files", large, "ms", against=("10 files", small), target="ratio 1.5")


def _iteration(files: int) -> float:
    with bench(files=files) as one:
        return 1e3 * median(asyncio.run(loop(one, ITERATIONS))[WARM_UP:])
