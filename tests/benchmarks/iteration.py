"""Orchestration of an iteration: its wall time without candidate and scorer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from lab_plugin.ledger import VerdictRecord
from lab_plugin.local_api import healthy
from tests.benchmarks._labs import Bench, bench
from tests.benchmarks._report import figure

WARM_UP = 10
ITERATIONS = 90
STOCK = 15


def main() -> None:
    with bench() as one:
        one.lab("run", "-n", str(WARM_UP + ITERATIONS), "-j", "1")
        alone = one.verdicts(1)[WARM_UP:]
        one.lab("run", "-n", str(WARM_UP + ITERATIONS), "-j", "4")
        four = one.verdicts(2)[WARM_UP:]
        one.stop_api()
        stock = _on_stock_prefect(one)
    baseline = ("stock Prefect", _milliseconds(stock))
    figure("median, -j 1", _milliseconds(alone), "ms", against=baseline, target="180; ratio at most 0.125")
    gap = 1e3 * (alone[-1].campaign_seconds - alone[0].campaign_seconds) / (len(alone) - 1)
    spent = 1e3 * sum(item.seconds for item in alone[1:]) / (len(alone) - 1)
    figure("mean of the campaign's wall, less the trial", gap - spent, "ms", against=baseline)
    figure("candidate and scorer, -j 1", spent, "ms")
    tail = sorted(item.orchestration_seconds for item in four)[int(0.95 * len(four))]
    figure("p95, -j 4", 1e3 * tail, "ms", against=("its median", _milliseconds(four)), target="ratio 3")
    slowest = max(item.orchestration_seconds for item in four)
    figure("slowest, -j 4", 1e3 * slowest, "ms", target="no tail of seconds")


def _on_stock_prefect(one: Bench) -> list[VerdictRecord]:
    with _stock_server() as url:
        one.lab("run", "-n", str(STOCK + 2), "-j", "1", PREFECT_API_URL=url)
    return one.verdicts(3)[2:]


@contextmanager
def _stock_server() -> Iterator[str]:
    """`prefect server start` with its default settings, SQLite and a fresh folder."""
    with tempfile.TemporaryDirectory(prefix="stock-prefect-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        probe.close()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {**kept, "PREFECT_HOME": home, "PREFECT_SERVER_API_PORT": port, "DO_NOT_TRACK": "1"}
        server = subprocess.Popen(
            [str(Path(sys.executable).with_name("prefect")), "server", "start", "--port", port],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}/api"
            while not healthy(url):
                if server.poll() is not None:
                    raise SystemExit("the stock Prefect server ended while starting")
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _milliseconds(verdicts: Sequence[VerdictRecord]) -> float:
    return 1e3 * median(item.orchestration_seconds for item in verdicts)
