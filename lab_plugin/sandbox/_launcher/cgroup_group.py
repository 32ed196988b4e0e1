"""What one job's control group does, whatever its version."""

from __future__ import annotations

import os
from typing import NamedTuple

from . import cgroup_files as files

PERIOD = 100_000


class Usage(NamedTuple):
    """What a group used; None where no controller counted it."""

    cpu_seconds: float | None
    peak_bytes: int | None
    killed_for_memory: bool


class Group:
    """One job's folder in every hierarchy, locked while its maker lives; without any, it does nothing.

    Args:
        folders: Controller -> folder.
        locks: Descriptors whose locks tell the next launcher that the folders are in use.
    """

    def __init__(self, folders: dict[str, str], locks: list[int]) -> None:
        self._folders = folders
        self._locks = locks
        self.controllers = frozenset(folders)

    def restrict(self, memory_bytes: int, processes: int, cpus: float) -> None:
        """Set the limits."""

    def join(self) -> None:
        """Move the calling process, which must have a single thread, in."""

    def doors(self) -> list[int]:
        """Descriptors; a process with a single thread that writes "0" to each is moved in. To be closed."""
        return []

    def freeze_forks(self) -> None:
        """Let nothing inside start a further process."""
        if "pids" in self._folders:
            files.write(f"{self._folders['pids']}/pids.max", 0)

    def usage(self) -> Usage:
        """Figures since the group was made."""
        return Usage(None, None, False)

    def remove(self) -> None:
        """Kill what is left inside and remove the folders."""
        for folder in self._each():
            files.remove(folder)
        for lock in self._locks:
            os.close(lock)
        self._locks = []

    def _each(self) -> set[str]:
        return set(self._folders.values())
