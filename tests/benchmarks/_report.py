"""How a figure is printed, and the machine it was taken on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median

TARGETS_START = 0.008
"""Seconds of `python -c pass` on the machine for which the targets in milliseconds are meant."""


def figure(
    what: str, value: float, unit: str, *, against: tuple[str, float] | None = None, target: str = ""
) -> None:
    """Print a figure, its baseline of the same run, their ratio, and what is wanted."""
    line = f"  {what:<44} {value:10.4g} {unit}"
    if against is not None:
        name, baseline = against
        ratio = value / baseline if baseline else float("nan")
        line += f"   ({name} {baseline:.4g} {unit}, ratio {ratio:.2f})"
    print(line + (f"   target {target}" if target else ""), flush=True)


def machine() -> None:
    """Print load and speed: without them no figure of a shared machine means anything."""
    load, start = os.getloadavg()[0], start_seconds()
    print(
        f"  [{os.cpu_count()} cores, load {load:.1f}, {loop_seconds() * 1e3:.0f} ms for a loop of 1,000,000, "
        f"{start * 1e3:.0f} ms for `python -c pass`: {start / TARGETS_START:.1f} times the targets' machine]",
        flush=True,
    )


def start_seconds() -> float:
    """Median seconds of an interpreter that does nothing."""
    times = []
    for _ in range(15):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        times.append(time.perf_counter() - began)
    return median(times)


def loop_seconds() -> float:
    """Seconds of a fixed piece of plain Python; about 0.04 on an idle machine of 2024."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        total = 0
        for number in range(1_000_000):
            total += number
        best = min(best, time.perf_counter() - began)
    return best
