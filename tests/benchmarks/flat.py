"""The 1,000th iteration against the 10th: time without Prefect and with it, and disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from statistics import mean

from tests.benchmarks._labs import Bench, bench, loop
from tests.benchmarks._report import figure

ITERATIONS = 1_000
FLOW_ITERATIONS = 300


def main() -> None:
    with bench() as one:
        seconds, sizes = _in_three_parts(one)
    early, late = mean(seconds[10:100]), mean(seconds[900:])
    figure("iterations 900 to 1,000, without Prefect", 1e3 * late, "ms", against=("10 to 100", 1e3 * early))
    print("  target ratio 1.2")
    for place in ("git", "state"):
        before, middle, after = (size[place] for size in sizes)
        figure(
            f"disk per iteration, {place}, 550 to 1,000",
            (after - middle) / 450 / 1024,
            "KiB",
            against=("100 to 550", (middle - before) / 450 / 1024),
            target="ratio 1",
        )
    with bench() as one:
        one.lab("run", "-n", str(FLOW_ITERATIONS))
        verdicts = one.verdicts(1)
    early, late = (
        mean(item.orchestration_seconds for item in part) for part in (verdicts[10:60], verdicts[-50:])
    )
    figure("orchestration of 250 to 300, with Prefect", 1e3 * late, "ms", against=("10 to 60", 1e3 * early))


def _in_three_parts(one: Bench) -> tuple[list[float], list[dict[str, int]]]:
    seconds: list[float] = []
    sizes = []
    for end in (100, 550, ITERATIONS):
        seconds += asyncio.run(loop(one, end - len(seconds)))
        sizes.append({"git": _size(one.folder / ".git"), "state": _size(one.home)})
    return seconds, sizes


def _size(folder: Path) -> int:
    """Bytes on disk."""
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(place, name)).st_blocks * 512 for name in (*names, "."))
    return total
