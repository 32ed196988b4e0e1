"""Locked labs whose campaigns died."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaign.conftest import Runner, lock, run

__all__ = ["Runner", "run"]

# It takes the lab as a campaign does, and a workspace and a scratch folder, and is killed.
_DIES = """
import os, signal, sys
from pathlib import Path
from lab_plugin.lab import Lab
from lab_plugin.repository import Lease
from lab_plugin.scratch import scratch
lab = Lab.open(Path(sys.argv[1]))
lease = Lease.acquire(lab.repository, lab.lease_ref, "lab run")
(lab.folder / "trials" / "0007" / "0").mkdir(parents=True)
with lab.pool.private(lab.repository.tree_of("HEAD")), scratch(lab.folder):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests leave or make in the short folder and in an engine is not looked at."""
    folder = tmp_path / "short"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/none.sock")


@pytest.fixture
def dies(home: Path) -> Callable[[Path], None]:
    """A process that holds the lab and is killed."""

    def die(folder: Path) -> None:
        done = subprocess.run([sys.executable, "-c", _DIES, str(folder)], check=False)
        assert done.returncode == -9

    return die


@pytest.fixture
async def locked(home: Path, make_lab: Callable[..., Path]) -> Path:
    folder = make_lab()
    await lock(folder)
    return folder
