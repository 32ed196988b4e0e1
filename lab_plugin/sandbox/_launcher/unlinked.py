"""Files that were removed but are still open: they fill a disk, and no folder shows them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator

from . import processes


def unlinked_bytes(folders: Iterable[int]) -> int:
    """Bytes on disk of removed files that processes below this one hold open.

    Args:
        folders: Open files and folders; only what lies on their file systems counts.
    """
    devices = {os.fstat(fd).st_dev for fd in folders}
    table = processes.children()
    found: dict[tuple[int, int], int] = {}
    for pid in processes.below(table.get(os.getpid(), ()), table):
        for status in _open_files(pid):
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0 and status.st_dev in devices:
                found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def _open_files(pid: int) -> Iterator[os.stat_result]:
    # What ended or was closed meanwhile does not count any more.
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                yield os.stat(f"/proc/{pid}/fd/{name}")
