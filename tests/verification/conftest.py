"""A lab with kept ideas, copied for every test."""

import shutil
from pathlib import Path

import pytest

from tests.verification.labs import kept_lab


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Path:
    return kept_lab(tmp_path_factory.getbasetemp(), environments)


@pytest.fixture
def kept(template: Path, tmp_path: Path, home: Path) -> Path:
    """A copy that a test may spoil, on a machine that never saw it."""
    folder = tmp_path / "repo"
    shutil.copytree(template, folder, symlinks=True)
    return folder
