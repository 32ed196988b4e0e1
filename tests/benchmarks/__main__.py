"""Print the figures that are asked for; all of them by default."""

from __future__ import annotations

import sys

from tests.benchmarks import (
    batch,
    chaos,
    commands,
    contracts,
    docker,
    flat,
    fleet,
    history,
    iteration,
    lock,
    sandbox,
    simulation,
    size,
    startup,
    tiers,
    verify,
)
from tests.benchmarks._report import machine

FIGURES = {
    "iteration": iteration.main,
    "startup": startup.main,
    "batch": batch.main,
    "size": size.main,
    "commands": commands.main,
    "sandbox": sandbox.main,
    "docker": docker.main,
    "contracts": contracts.main,
    "flat": flat.main,
    "lock": lock.main,
    "verify": verify.main,
    "simulation": simulation.main,
    "tiers": tiers.main,
    "fleet": fleet.main,
    "chaos": chaos.main,
    "history": history.embedded,
    "history-postgresql": history.on_postgres,
}


def run(names: list[str]) -> int:
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"No figure is called {', '.join(unknown)}; there are {', '.join(FIGURES)}.", file=sys.stderr)
        return 2
    for name in names or FIGURES:
        print(f"{name}: {(sys.modules[FIGURES[name].__module__].__doc__ or '').strip()}")
        machine()
        FIGURES[name]()
        print(flush=True)
    return 0


raise SystemExit(run(sys.argv[1:]))
