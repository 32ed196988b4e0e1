"""The folder of a worker's cache: in use by the trials that run, emptied after a week while none does."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab_plugin.scratch import short_parent, sweep_scratch

KEPT_DAYS = 7
"""How long what was fetched stays; then it goes, as soon as a trial begins while no other runs."""

_USE = "use.lock"
_LOCKS = (_USE, "init.lock", "fetch.lock")


class Cache:
    """A cache in use, until it is closed or this process ends. What dead processes left in it is removed.

    Args:
        folder: It; made when it is missing.

    Attributes:
        folder: It.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._use = _open(folder / _USE)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def alone(self, to: str) -> Iterator[None]:
        """Keep other processes from doing the same meanwhile.

        Args:
            to: What: `init` or `fetch`.
        """
        lock = _open(self.folder / f"{to}.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def close(self) -> None:
        """Let another process empty it."""
        os.close(self._use)

    def _begin(self) -> None:
        if time.time() - os.fstat(self._use).st_mtime > KEPT_DAYS * 86_400:
            with suppress(BlockingIOError):
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _empty(self.folder)
                os.utime(self._use)
        fcntl.flock(self._use, fcntl.LOCK_SH)
        for parent in (self.folder, short_parent()):
            sweep_scratch(parent)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _empty(folder: Path) -> None:
    """Remove all but the locks; each entry goes wholly or stays wholly, also when this is killed."""
    gone = Path(tempfile.mkdtemp(prefix="gone-", dir=folder))
    for path in folder.iterdir():
        if path.name not in _LOCKS and path != gone:
            path.rename(gone / path.name)
    shutil.rmtree(gone, ignore_errors=True)
