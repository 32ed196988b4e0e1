"""Commands that answer at once: `lab --help`, and `lab status` with 1,000 ideas."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from lab_plugin.ledger import Ledger, VerdictRecord
from lab_plugin.repository import RefChange
from tests.benchmarks._labs import Bench, bench
from tests.benchmarks._report import figure

IDEAS = 1_000
RUNS = 7


def main() -> None:
    with bench() as one:
        one.lab("run", "-n", "1")
        empty = median(one.lab("status") for _ in range(RUNS))
        _fill(one)
        full = median(one.lab("status") for _ in range(RUNS))
        help_seconds = median(one.lab("--help") for _ in range(RUNS))
    bare = median(_bare() for _ in range(RUNS))
    figure("lab --help", help_seconds, "s", against=("python -c pass", bare), target="0.3")
    figure(f"lab status with {IDEAS} ideas", full, "s", against=("with one", empty), target="1.5")


def _fill(one: Bench) -> None:
    """Append verdicts like the first one, each with a branch of its own."""
    lab = one.open()
    ledger: Ledger = lab.ledger
    [first] = ledger.state().ideas.values()
    for number in range(2, IDEAS + 1):
        slug = f"copy-{number}"
        branch = f"lab/{lab.name}/ideas/{number:04d}-{slug}"
        record: VerdictRecord = first.model_copy(update={"number": number, "slug": slug, "branch": branch})
        ledger.append(
            record,
            candidate=record.commit,
            changes=[RefChange(f"refs/heads/{branch}", record.commit, "")],
        )
    lab.close()


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began
