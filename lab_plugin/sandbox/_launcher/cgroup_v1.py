"""Control groups, version 1: one hierarchy per controller."""

from __future__ import annotations

import os

from . import cgroup_files as files
from .cgroup_group import PERIOD, Group, Usage

CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")


class GroupV1(Group):
    """One job's folders."""

    def restrict(self, memory_bytes: int, processes: int, cpus: float) -> None:
        """See `Group.restrict`."""
        if memory := self._folders.get("memory"):
            files.write(f"{memory}/memory.limit_in_bytes", memory_bytes)
            if os.path.exists(f"{memory}/memory.memsw.limit_in_bytes"):
                files.write(f"{memory}/memory.memsw.limit_in_bytes", memory_bytes)
            else:
                files.write(f"{memory}/memory.swappiness", 0)
        if pids := self._folders.get("pids"):
            files.write(f"{pids}/pids.max", processes)
        if cpu := self._folders.get("cpu"):
            files.write(f"{cpu}/cpu.cfs_period_us", PERIOD)
            files.write(f"{cpu}/cpu.cfs_quota_us", max(1_000, int(cpus * PERIOD)))

    def join(self) -> None:
        """See `Group.join`."""
        for folder in self._each():
            # A thread that moves itself takes no lock of the whole machine; cgroup.procs costs up to 10 ms.
            files.write(f"{folder}/tasks", 0)

    def doors(self) -> list[int]:
        """See `Group.doors`."""
        return [os.open(f"{folder}/tasks", os.O_WRONLY) for folder in sorted(self._each())]

    def usage(self) -> Usage:
        """See `Group.usage`."""
        cpu = peak = None
        killed = False
        if folder := self._folders.get("cpuacct"):
            cpu = int(files.read(f"{folder}/cpuacct.usage")) / 1e9
        if folder := self._folders.get("memory"):
            peak = int(files.read(f"{folder}/memory.max_usage_in_bytes"))
            events = dict(line.split() for line in files.read(f"{folder}/memory.oom_control").splitlines())
            killed = int(events.get("oom_kill", 0)) > 0
        return Usage(cpu, peak, killed)


def find(proc: str) -> dict[str, str]:
    """Controller -> this process's own group in its hierarchy, where that can be written.

    Args:
        proc: Where procfs is mounted.
    """
    paths = files.own_paths(proc)
    found = {}
    for root, point, options in files.mounts(proc, "cgroup"):
        for controller in options & set(CONTROLLERS) & set(paths):
            own = files.own_folder(root, point, paths[controller])
            if own is not None and os.access(own, os.W_OK):
                found[controller] = own
    return found
