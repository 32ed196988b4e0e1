"""One migrated folder for all tests of the local API: migrations take longer than everything else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_plugin.local_api import LocalApi
from tests.ports import free_port


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database was migrated by a first start."""
    home = tmp_path_factory.mktemp("prefect")
    with LocalApi(home, port=free_port(), grace=60) as api:
        api.start()
        api.wait()
        api.stop()
    return home


@pytest.fixture
def port() -> int:
    """A port that nothing listens on."""
    return free_port()


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the migrated folder; its server, if any, is ended afterwards."""
    copy = tmp_path / "prefect"
    shutil.copytree(migrated, copy)
    yield copy
    LocalApi(copy).stop()


@pytest.fixture(scope="session")
def served(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    """A running API that tests share and do not stop."""
    copy = tmp_path_factory.mktemp("served") / "prefect"
    shutil.copytree(migrated, copy)
    with LocalApi(copy, port=free_port(), grace=60) as api:
        api.start()
        api.wait()
        yield api
        api.stop()
