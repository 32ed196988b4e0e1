"""Control groups where this user may make them: limits and figures of a whole process tree."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from . import cgroup_files as files
from . import cgroup_v1, cgroup_v2
from .cgroup_group import Group

FAMILY = "prefect-lab"
_TRIAL = (1 << 30, 8, 1.0)


class Family:
    """The parent of all jobs' groups in every hierarchy, below this process's own.

    Args:
        kind: Makes a job's group.
        parents: Controller -> the family's folder.
    """

    def __init__(self, kind: type[Group], parents: dict[str, str]) -> None:
        self._kind = kind
        self._parents = parents

    def create(self, name: str) -> Group:
        """Make a job's group; one without controllers where none is open to this user.

        Args:
            name: Unique on this machine.
        """
        locks: list[int] = []
        for parent in self._each():
            folder = f"{parent}/{name}"
            # Under the family's shared lock no sweep can see the folder before it is locked.
            with files.locked(parent, fcntl.LOCK_SH):
                os.mkdir(folder)
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(lock, fcntl.LOCK_EX)
                locks.append(lock)
        folders = {controller: f"{parent}/{name}" for controller, parent in self._parents.items()}
        return self._kind(folders, locks)

    def remove(self, name: str) -> None:
        """Remove the group of a maker that is known to be dead."""
        for parent in self._each():
            files.remove(f"{parent}/{name}")

    def sweep(self) -> None:
        """Remove the groups of makers that died without a chance to do so."""
        for parent in self._each():
            with files.locked(parent, fcntl.LOCK_EX):
                for entry in os.scandir(parent):
                    if entry.is_dir(follow_symlinks=False) and not files.is_locked(entry.path):
                        # What cannot be removed now is tried again at the next start.
                        with contextlib.suppress(OSError):
                            files.remove(entry.path)

    def measure(self) -> frozenset[str]:
        """The controllers that a job's group really gets: one is made, limited and removed."""
        try:
            group = self.create(f"{os.getpid()}-{time.monotonic_ns():x}-trial")
            try:
                group.restrict(*_TRIAL)
                group.usage()
                return group.controllers
            finally:
                group.remove()
        except OSError:
            return frozenset()

    def _each(self) -> set[str]:
        return set(self._parents.values())


def open_family(proc: str = "/proc") -> Family:
    """Find, and make where needed, the family's folders; version 1 goes first where it has controllers.

    Args:
        proc: Where procfs is mounted.
    """
    first = cgroup_v1.find(proc)
    if parents := _folders(first):
        return Family(cgroup_v1.GroupV1, parents)
    second = _folders(cgroup_v2.find(proc))
    for parent in set(second.values()):
        enabled = cgroup_v2.enable(parent, set(second))
        second = {name: parent for name in enabled}
    return Family(cgroup_v2.GroupV2, second)


def _folders(bases: dict[str, str]) -> dict[str, str]:
    found = {}
    for controller, base in bases.items():
        with contextlib.suppress(OSError):
            os.makedirs(f"{base}/{FAMILY}", exist_ok=True)
            found[controller] = f"{base}/{FAMILY}"
    return found
