"""Play every attack everywhere, and print the table.

python -m tests.attacks                        the table, in markdown; what goes on is told on stderr
python -m tests.attacks play CONTRACT SANDBOX  one campaign of one attack of each class; JSON: what is wrong
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from lab_plugin.errors import LockError
from tests.attacks._attack import CONTRACTS, Attack
from tests.attacks._judge import cell, fault_of, of_each_family, playable
from tests.attacks._naive import play_naive
from tests.attacks._play import Played, play
from tests.attacks._table import Cells, markdown
from tests.attacks._victim import HONEST_SCORE
from tests.attacks.corpus import CORPUS

SANDBOXES = ("bubblewrap", "docker", "process")


async def played(contract: str, sandbox: str, attacks: list[Attack], image: str = "") -> Played:
    with tempfile.TemporaryDirectory(prefix="victim-") as name:
        Path(name).chmod(0o755)
        return await play(Path(name) / "repo", contract, sandbox, attacks, image=image)


async def column(contract: str, sandbox: str, image: str) -> Cells:
    """Attack -> what became of it; the honest ideas under "" ."""
    done = await played(contract, sandbox, playable(contract, sandbox), image)
    for outcome in done.outcomes:
        if fault := fault_of(outcome):
            print(fault, file=sys.stderr)
    print(*done.faults, sep="\n", end="", file=sys.stderr)
    cells = {outcome.attack.name: cell(outcome) for outcome in done.outcomes if outcome.attack}
    honest = [outcome.record.value for outcome in done.outcomes if outcome.attack is None]
    right = honest.count(HONEST_SCORE)
    cells[""] = f"{HONEST_SCORE:g} in {right} of {len(honest)}"
    for attack in CORPUS:
        if contract not in attack.contracts or attack.name in cells:
            continue
        if attack.process == "harmful":
            cells[attack.name] = "not run"
        else:
            cells[attack.name] = await stopped(contract, sandbox, attack)
    return cells


async def stopped(contract: str, sandbox: str, attack: Attack) -> str:
    """What becomes of an attack that changes what was locked."""
    try:
        await played(contract, sandbox, [attack])
    except LockError:
        return "stopped"
    return "BROKEN"


async def table(image: str) -> bool:
    """Print it; returns whether everything was held."""
    naive = await play_naive([attack for attack in CORPUS if attack.naive])
    columns: dict[tuple[str, str], Cells] = {}
    for sandbox in SANDBOXES:
        if sandbox == "docker" and not image:
            continue
        for contract in CONTRACTS:
            began = time.monotonic()
            columns[contract, sandbox] = await column(contract, sandbox, image if sandbox == "docker" else "")
            print(f"{contract}, {sandbox}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(markdown(CORPUS, naive, columns))
    return not any("BROKEN" in cells.values() for cells in columns.values())


def main(arguments: list[str]) -> None:
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-home-"))
        os.environ["PREFECT_LAB_HOME"] = home
        if arguments[:1] == ["play"]:
            contract, sandbox = arguments[1:]
            attacks = of_each_family(playable(contract, sandbox))
            done = asyncio.run(played(contract, sandbox, attacks))
            faults = [fault for outcome in done.outcomes if (fault := fault_of(outcome))]
            print(json.dumps([len(done.outcomes), [*faults, *done.faults]]))
            return
        # Only here: the engine's tests are not there where only attacks are played.
        from tests.sandbox import docker_engine

        image = ""
        try:
            os.environ["DOCKER_HOST"] = stack.enter_context(docker_engine.engine())
            docker_engine.make_image(os.environ["DOCKER_HOST"])
            image = docker_engine.IMAGE
        except docker_engine.NoEngine as missing:
            print(missing, file=sys.stderr)
        if not asyncio.run(table(image)):
            sys.exit("something was not held")


if __name__ == "__main__":
    main(sys.argv[1:])
