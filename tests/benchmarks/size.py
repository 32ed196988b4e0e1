"""An iteration in a repository of 10,000 files and in one of 10; without Prefect."""

from __future__ import annotations

import asyncio
from statistics import median

from tests.benchmarks._labs import Bench, bench, loop
from tests.benchmarks._report import figure

ROUNDS = 5
ITERATIONS = 10
WARM_UP = 3


def main() -> None:
    with bench(files=5) as few, bench(files=10_000) as many:
        small: list[float] = []
        large: list[float] = []
        # In turns, so that a load from outside meets both.
        for _ in range(ROUNDS):
            small += _some(few)
            large += _some(many)
    baseline = ("10 files", 1e3 * median(small))
    figure("10,000 files", 1e3 * median(large), "ms", against=baseline, target="ratio 1.5")


def _some(one: Bench) -> list[float]:
    return asyncio.run(loop(one, ITERATIONS))[WARM_UP:]
