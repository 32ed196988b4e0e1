"""Campaigns with several tiers, over scorers whose numbers are known."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.comparison.conftest import bare_environment, home, make_toy, plug_in, python, run
from tests.comparison.toy import Toy
from tests.tiers.labs import copy_of, plugged, tiered_lab

__all__ = ["bare_environment", "home", "make_toy", "plug_in", "python", "run"]


@pytest.fixture(scope="session")
def made(
    tmp_path_factory: pytest.TempPathFactory, python: Path, plug_in: Path, bare_environment: Path
) -> Toy:
    """The lab of `labs`, made once for all. Not to be changed."""
    folder = tmp_path_factory.mktemp("tiered")
    shutil.copytree(bare_environment, folder / "home" / "environments")
    with pytest.MonkeyPatch.context() as patch, plugged(plug_in):
        patch.setenv("PREFECT_LAB_HOME", str(folder / "home"))
        return asyncio.run(tiered_lab(folder, python))


@pytest.fixture
def tiered(made: Toy, tmp_path: Path, home: Path) -> Path:
    """A copy of it, on a machine that never saw it."""
    return copy_of(made, tmp_path / "repo")
