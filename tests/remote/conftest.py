"""Labs whose last tier runs on workers: a real git remote, real sandboxes, and workers without Prefect."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest

from lab_plugin import events
from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LabError
from lab_plugin.home import Home
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.remote import Ended, Kind, TrialOrder, open_work
from tests.campaign.conftest import iterate, lock
from tests.conftest import EXAMPLES, git

__all__ = ["Workers", "git", "lay_out", "travelling", "work"]

TIERS = """
[tiers.proxy]
seeds   = 1
promote = { top_k = 1, of = 2 }

[tiers.final]
seeds = 1
"""


def travelling(hub: Path) -> set[str]:
    """The kinds of what is on a remote for workers."""
    done = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/lab"],
        cwd=hub,
        capture_output=True,
        text=True,
        check=True,
    )
    return {ref.split("/")[3] for ref in done.stdout.split()} & set(get_args(Kind))


@dataclass
class Workers:
    """A dispatcher whose workers run in this process, each with a state folder of its own.

    Attributes:
        homes: Of the workers.
        orders: All that were started.
        fate: Said of the next runs, in place of what became of them; the first one first.
        online: Names of the workers.
        finish: Whether an order that has a fate is carried out all the same.
    """

    homes: tuple[Home, ...]
    orders: list[TrialOrder] = field(default_factory=list)
    fate: list[Ended] = field(default_factory=list)
    online: frozenset[str] = frozenset({"one"})
    finish: bool = False
    told: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    _runs: dict[str, asyncio.Task[Ended]] = field(default_factory=dict)

    async def unfinished(self) -> Mapping[str, str]:
        return {}

    async def start(self, order: TrialOrder, pool: str) -> str:
        assert pool == "box"
        self.orders.append(order)
        run = f"run-{len(self.orders)}"
        self._runs[run] = asyncio.create_task(self._do(order, self.fate.pop(0) if self.fate else None))
        return run

    async def wait(self, run: str, pool: str) -> Ended:
        return await asyncio.shield(self._runs[run])

    async def cancel(self, run: str, why: str) -> None:
        self.cancelled.append(run)

    async def workers(self, pool: str) -> frozenset[str]:
        return self.online

    async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
        if fate is None or self.finish:
            try:
                await work(order, self.homes[len(self.orders) % len(self.homes)], self.told.append)
            except LabError as error:
                return Ended("refused", "one", error.message)
        return fate or Ended("done")


async def work(order: TrialOrder, home: Home, tell: Callable[[str], None]) -> bool | None:
    async with open_work(order, home, tell) as found:
        if found is None:
            return None
        execution = await found.execute()
        return await found.deliver(execution, await found.evaluate(execution))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environments: Path) -> Path:
    """A state folder without an MLflow store, which takes seconds to make: nothing here is mirrored."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copytree(environments, folder / "environments")
    monkeypatch.setenv("PREFECT_LAB_HOME", str(folder))
    return folder


@pytest.fixture
def workers(tmp_path: Path, environments: Path) -> Workers:
    homes = []
    for name in ("one", "two"):
        root = tmp_path / f"worker-{name}"
        root.mkdir(mode=0o700)
        # Looking through the environment takes seconds; what is known of it proves itself.
        (root / "environments").symlink_to(environments)
        homes.append(Home(root))
    return Workers(tuple(homes))


def lay_out(folder: Path, pool: bool, more: str = "") -> None:
    """A repository with a lab that has two tiers, of which the last one may have a pool, and its remote."""
    subprocess.run(["git", "init", "-q", "--bare", str(folder.parent / "hub.git")], check=True)
    shutil.copytree(EXAMPLES / "rosenbrock", folder)
    text = (
        (folder / "lab.toml")
        .read_text()
        .replace('name = "rosenbrock"', 'name = "rosenbrock"\nremote = "../hub.git"')
    )
    (folder / "lab.toml").write_text(text + TIERS + ('pool = "box"\n' if pool else "") + more)
    if more:
        (folder / "sealed").mkdir()
        (folder / "sealed" / "note.txt").write_text("SEALED\n")
        # So bad that an idea is better.
        (folder / "point.json").write_text('{"x": -2.0, "y": -1.0}\n')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Callable[..., Path]:
    """Locked labs: to lock one takes seconds, to copy it none."""
    made: dict[tuple[bool, str], Path] = {}

    def get(pool: bool, more: str) -> Path:
        if (pool, more) not in made:
            base = tmp_path_factory.mktemp("locked")
            lay_out(base / "repo", pool, more)
            (base / "home").mkdir()
            (base / "home" / "environments").symlink_to(environments)
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("PREFECT_LAB_HOME", str(base / "home"))
                # A loop of its own: the test's runs already.
                with ThreadPoolExecutor(1) as pool_:
                    pool_.submit(lambda: asyncio.run(lock(base / "repo"))).result()
            made[(pool, more)] = base / "repo"
        return made[(pool, more)]

    return get


@pytest.fixture
def pooled_lab(locked: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    def make(pool: bool = True, name: str = "repo", more: str = "") -> Path:
        folder = tmp_path / name / "repo"
        for each in ("repo", "hub.git"):
            shutil.copytree(locked(pool, more).parent / each, tmp_path / name / each)
        return folder

    return make


@pytest.fixture
def run(home: Path) -> Callable[..., object]:
    async def go(folder: Path, iterations: int, workers: Workers | None) -> list[VerdictRecord]:
        with events.subscribed(
            lambda event: (
                workers.told.append(event.text)
                if workers is not None and isinstance(event, events.Notice)
                else None
            )
        ):
            plan = Plan({"iterations": iterations})
            async with open_campaign(Lab.open(folder), plan, dispatcher=workers) as campaign:
                return [record async for record in iterate(campaign)]

    return go
