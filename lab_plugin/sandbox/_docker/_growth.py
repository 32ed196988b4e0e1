"""How much a program has written to the host's disk, where it edits files in place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from lab_plugin.sandbox._launcher.folders import TooDeep
from lab_plugin.sandbox._launcher.grown import Grown


class Growth:
    """What files and folders have grown by since this was made.

    Args:
        grown: The files and folders.
        limit: Bytes that they may grow by.
    """

    def __init__(self, grown: Grown, limit: int) -> None:
        self._grown = grown
        self._limit = limit
        self._before = grown.bytes()

    @property
    def watched(self) -> bool:
        """There is anything that can grow."""
        return bool(self._grown.fds)

    def is_beyond(self, pids: Iterable[int]) -> bool:
        """Whether it is more than the limit.

        Args:
            pids: The job's processes; what they removed and hold open counts, where this user may look.
        """
        if not self._grown.fds:
            return False
        try:
            written = self._grown.bytes() - self._before
        except TooDeep:
            return True
        return written + self._removed(pids) > self._limit

    def _removed(self, pids: Iterable[int]) -> int:
        devices = {os.fstat(fd).st_dev for fd in self._grown.fds}
        found: dict[tuple[int, int], int] = {}
        for pid in pids:
            # What ended or was closed meanwhile does not count any more.
            with suppress(OSError):
                for name in os.listdir(f"/proc/{pid}/fd"):
                    with suppress(OSError):
                        status = os.stat(f"/proc/{pid}/fd/{name}")
                        if _is_removed(status) and status.st_dev in devices:
                            found[status.st_dev, status.st_ino] = status.st_blocks * 512
        return sum(found.values())


def _is_removed(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 0
