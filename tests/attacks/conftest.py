import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.conftest import engine

__all__ = ["engine"]


@pytest.fixture
def victim() -> Iterator[Path]:
    """An empty folder that other users can enter."""
    folder = Path(tempfile.mkdtemp(prefix="victim-"))
    folder.chmod(0o755)
    yield folder / "repo"
    shutil.rmtree(folder)
