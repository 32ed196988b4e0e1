"""A full disk stops the campaign with a clear error; with room again it goes on, and nothing is lost."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import Runner, lock


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB, where the repository goes; making one takes root."""
    disk = tmp_path / "repo"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
async def test_a_full_repository_disk(
    small_disk: Path, make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    assert folder == small_disk
    await lock(folder)
    first = await run(folder, 3)
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space"):
        while True:
            stream.write(bytes(4096))
    with pytest.raises((LabError, OSError), match=r"disk is full|No space left"):
        await run(folder, 3)
    ballast.unlink()
    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    before = len(lab.ledger.state().ideas)
    assert before >= len(first)
    lab.close()
    await run(folder, 6)
    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    assert sorted(lab.ledger.state().ideas) == list(range(1, len(lab.ledger.state().ideas) + 1))
    assert lab.repository.refs(lab.open_prefix) == {}
    lab.close()
