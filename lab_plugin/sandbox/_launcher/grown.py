"""What a program may write to on the host's disk, where it edits files in place."""

from __future__ import annotations

import os
from typing import NamedTuple

from .folders import disk_usage

Identity = tuple[int, int]


class Grown(NamedTuple):
    """Files and folders whose growth counts as a job's writing.

    Attributes:
        fds: Open.
        kept: What in them cannot be written to, and does not count.
    """

    fds: list[int]
    kept: frozenset[Identity] = frozenset()

    def bytes(self) -> int:
        """Bytes on disk.

        Raises:
            TooDeep: Folders nest too deep.
        """
        return sum(disk_usage(fd, self.kept) for fd in self.fds)


def identity(fd: int) -> Identity:
    """Device and inode."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
