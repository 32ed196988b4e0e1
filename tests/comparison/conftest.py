"""Campaigns over scorers whose noise is known, on real git repositories and with real processes."""

import asyncio
import importlib
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lab_plugin.campaign import Campaign, Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.scorer import EnvironmentMeter
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate
from tests.comparison.toy import PROPOSER, Toy

Then = Callable[[VerdictRecord], None]
Run = Callable[..., Awaitable[list[VerdictRecord]]]


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with nothing installed: every lock looks at all files of its environment."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Path:
    folder = tmp_path_factory.mktemp("environments")
    EnvironmentMeter(python, folder).measure(trust=True)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare_environment: Path) -> Path:
    """A state folder without MLflow's, which a campaign has no need of."""
    folder = tmp_path / "home"
    shutil.copytree(bare_environment, folder / "environments")
    monkeypatch.setenv("PREFECT_LAB_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution that offers the strategy `scripted`."""
    folder = tmp_path_factory.mktemp("plug-in")
    (folder / "scripted_ideas.py").write_text(PROPOSER)
    info = folder / "scripted_ideas-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted-ideas\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lab_plugin.proposers]\nscripted = scripted_ideas:Scripted\n")
    return folder


@pytest.fixture
def make_toy(
    home: Path, tmp_path: Path, plug_in: Path, python: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Toy]]:
    monkeypatch.syspath_prepend(str(plug_in))
    importlib.invalidate_caches()

    def make(name: str = "toy", **options: object) -> Toy:
        return Toy(tmp_path / name, python, **options)  # type: ignore[arg-type]

    yield make
    sys.modules.pop("scripted_ideas", None)


@pytest.fixture
def run(home: Path) -> Run:
    """Run a campaign to its end; the ledger verifies afterwards. Returns all verdicts of the lab."""

    async def go(
        toy: Toy, iterations: int, then: Then = nothing, jobs: int = 1, rerun: Mapping[int, int] | None = None
    ) -> list[VerdictRecord]:
        async def work(campaign: Campaign) -> None:
            async for record in iterate(campaign):
                then(record)

        plan = Plan({"iterations": iterations}, rerun=rerun or {})
        async with open_campaign(Lab.open(toy.folder), plan) as campaign, asyncio.TaskGroup() as slots:
            for _ in range(jobs):
                slots.create_task(work(campaign))
        assert faults(toy) == []
        return toy.records()

    return go


def nothing(record: VerdictRecord) -> None:
    """What is done after a verdict, for want of anything else."""


def faults(toy: Toy) -> list[str]:
    lab = Lab.open(toy.folder)
    try:
        return verify_ledger(lab)
    finally:
        lab.close()
