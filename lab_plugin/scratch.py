"""Scratch folders of a lab: removed by who made them, or once that process is dead, by the next campaign."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_plugin.errors import LabError

_PREFIX = "scratch-"


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new folder, locked against `sweep_scratch` for as long as the block, or this process, lasts."""
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A sweep may have come before the lock.
        if folder.exists():
            return folder, lock
        os.close(lock)


def short_parent() -> Path:
    """This user's own folder for what wants a short path: that of a unix socket may have 107 bytes.

    Raises:
        LabError: Somebody else made it, or may write to it.
    """
    folder = Path(tempfile.gettempdir(), f"lab-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LabError(
            f"{folder} is not a private folder of yours.", "Remove it, or set TMPDIR to another folder."
        )
    return folder


def sweep_scratch(parent: Path, *, remove: bool = True) -> list[Path]:
    """Remove the folders that dead processes left.

    Args:
        parent: Where they are.
        remove: False to find them only.

    Returns:
        The folders.
    """
    found = []
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(folder)
            if remove:
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
    return found
