"""A lab with a few ideas, made once for all tests and copied for each."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.importing import ImportReport, Wish, import_history
from lab_plugin.lab import Lab
from tests.campaign.conftest import iterate, lock
from tests.conftest import EXAMPLES, git

Import = Callable[..., ImportReport]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, mlflow_store: Path, environments: Path) -> Path:
    """A repository with a locked lab and three ideas."""
    folder = tmp_path_factory.mktemp("history") / "repo"
    home = folder.parent / "home"
    (home / "mlflow").mkdir(parents=True)
    shutil.copy(mlflow_store, home / "mlflow")
    shutil.copytree(environments, home / "environments")
    shutil.copytree(EXAMPLES / "rosenbrock", folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Start")

    async def campaign() -> None:
        await lock(folder)
        async with open_campaign(Lab.open(folder), Plan({"iterations": 3})) as running:
            assert len([record async for record in iterate(running)]) == 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_LAB_HOME", str(home))
        asyncio.run(campaign())
    return folder


@pytest.fixture
def folder(made: Path, home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "repo", symlinks=True))


@pytest.fixture
def lab(folder: Path) -> Iterator[Lab]:
    opened = Lab.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def take(lab: Lab) -> Import:
    """Import a file or an address into the lab."""

    def call(
        where: Path | str,
        *,
        trust: bool = False,
        skip_bad: bool = False,
        dry_run: bool = False,
        **wish: str | None,
    ) -> ImportReport:
        asked = Wish(where=str(where), **wish)  # type: ignore[arg-type]
        return import_history(lab, asked, trust=trust, skip_bad=skip_bad, dry_run=dry_run)

    return call
