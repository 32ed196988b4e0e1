"""Iterations after 100 and after 10,000 past ones: wall, and processor time of campaign and servers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from lab_plugin.local_api import healthy
from lab_plugin.tracking import Store
from tests.benchmarks._labs import Bench, bench
from tests.benchmarks._past import lengthen, multiply_in_file, multiply_in_postgres, take_as_mirrored
from tests.benchmarks._report import figure
from tests.up.conftest import wait_until
from tests.up.production import Production, production

PASTS = (100, int(os.environ.get("LAB_BENCH_PAST", "10000")))
WARM_UP = 20
ITERATIONS = int(os.environ.get("LAB_BENCH_ITERATIONS", "120"))
_FIRST = 5


@dataclass
class _Stand:
    """A lab on servers.

    Attributes:
        lab: The lab.
        fill: Has the API's database hold its runs so many times more.
        servers: What they are called -> their processes.
        environment: By which the lab finds them.
    """

    lab: Bench
    fill: Callable[[int], None]
    servers: Callable[[], Mapping[str, list[int]]]
    environment: Mapping[str, str] = field(default_factory=dict)


def embedded() -> None:
    with bench() as one:
        _compare(_embedded(one))


def on_postgres() -> None:
    with bench() as one, production() as stack:
        _compare(_on_postgres(one, stack))


def _embedded(one: Bench) -> _Stand:
    home = one.home / "prefect"

    def fill(copies: int) -> None:
        one.stop_api()
        multiply_in_file(home / "prefect.db", copies)

    return _Stand(one, fill, lambda: {"the API": [int(json.loads((home / "api.json").read_text())["pid"])]})


def _on_postgres(one: Bench, stack: Production) -> _Stand:
    def start() -> None:
        for name in ("server", "services"):
            stack.start(name)
        wait_until(lambda: healthy(stack.api), "the server answers")

    def fill(copies: int) -> None:
        # Until what is under way in the queues is written.
        time.sleep(5)
        for name in ("server", "services"):
            stack.kill(name)
        multiply_in_postgres(stack.database("prefect"), copies)
        start()

    def servers() -> Mapping[str, list[int]]:
        found = {"the API": ("server", "services"), "PostgreSQL": ("database",), "Redis": ("redis",)}
        return {what: [stack.running[name].pid for name in names] for what, names in found.items()}

    start()
    secret = stack.services["worker"]["environment"]["PREFECT_API_AUTH_STRING"]
    return _Stand(one, fill, servers, {"PREFECT_API_URL": stack.api, "PREFECT_API_AUTH_STRING": secret})


def _compare(stand: _Stand) -> None:
    stand.lab.lab("run", "-n", str(_FIRST), **stand.environment)
    # The mirror may have been too slow to make its experiment.
    stand.lab.lab("sync", **stand.environment)
    there, found = _FIRST, []
    for past in PASTS:
        _have_past(stand, past, past // there - 1)
        there = there * (past // there) + ITERATIONS
        found.append(_measure(stand))
    few, many = found
    for what, value in many.items():
        figure(f"{what}, after {PASTS[1]}", value, "ms", against=(f"after {PASTS[0]}", few[what]))
    print("  target ratio 1")


def _have_past(stand: _Stand, ideas: int, copies: int) -> None:
    lab = stand.lab.open()
    try:
        lengthen(stand.lab.folder, lab, ideas)
        head = lab.ledger.head() or ""
    finally:
        lab.close()
    take_as_mirrored(Store.embedded(stand.lab.home / "mlflow").uri, head)
    stand.fill(copies)


def _measure(stand: _Stand) -> dict[str, float]:
    """Milliseconds per iteration, once the campaign is under way."""
    lab = stand.lab.open()
    campaign = lab.ledger.state().next_campaign
    lab.close()
    decided = _Decided(stand.lab.folder)
    program = stand.lab.start("run", "-n", str(ITERATIONS), "-j", "1", **stand.environment)
    marks = []
    for count in (WARM_UP, ITERATIONS):
        while decided.count() < count:
            if program.poll() is not None:
                raise SystemExit("the campaign ended early")
            time.sleep(0.02)
        groups = {"the campaign, with candidates": [program.pid], **stand.servers()}
        marks.append({what: sum(map(_cpu_seconds, pids)) for what, pids in groups.items()})
        marks[-1]["wall"] = time.perf_counter()
    program.wait()
    counted = ITERATIONS - WARM_UP
    spent = {what: 1e3 * (marks[1][what] - marks[0][what]) / counted for what in marks[0]}
    verdicts = stand.lab.verdicts(campaign)[WARM_UP:]
    orchestration = 1e3 * median(one.orchestration_seconds for one in verdicts)
    wall = spent.pop("wall")
    return {
        "wall": wall,
        "orchestration": orchestration,
        **{f"CPU of {what}": ms for what, ms in spent.items()},
    }


class _Decided:
    """Counts verdicts by the branches that they move, which costs nothing.

    Args:
        folder: Of the lab; its refs are packed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ".git" / "refs" / "heads" / "lab" / "rosenbrock" / "ideas"
        self._before = len(self._names())

    def count(self) -> int:
        """Since this was made."""
        return len(self._names()) - self._before

    def _names(self) -> list[str]:
        with suppress(FileNotFoundError):
            return [name for name in os.listdir(self._folder) if not name.endswith(".lock")]
        return []


def _cpu_seconds(pid: int) -> float:
    """Of a process, what it started, and what it waited for."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        for each in (top, *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += sum(each.cpu_times()[:4])
    return total
