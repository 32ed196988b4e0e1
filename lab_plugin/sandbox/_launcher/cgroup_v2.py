"""Control groups, version 2: one hierarchy, of which a subtree may have been delegated to this user.

A group whose children have controllers may hold no process itself. So the processes of the delegated
group move to a leaf of it; but only if it is known that they may be moved: all belong to the lab, or
systemd marked the group as delegated.
"""

from __future__ import annotations

import contextlib
import os

from . import cgroup_files as files
from . import processes
from .cgroup_group import PERIOD, Group, Usage

CONTROLLERS = ("memory", "pids", "cpu")
LEAF = "prefect-lab.main"
_MARKS = ("user.delegate", "trusted.delegate")
_ROUNDS = 50


class GroupV2(Group):
    """One job's folder."""

    def restrict(self, memory_bytes: int, processes: int, cpus: float) -> None:
        """See `Group.restrict`."""
        if memory := self._folders.get("memory"):
            files.write(f"{memory}/memory.max", memory_bytes)
            if os.path.exists(f"{memory}/memory.swap.max"):
                files.write(f"{memory}/memory.swap.max", 0)
        if pids := self._folders.get("pids"):
            files.write(f"{pids}/pids.max", processes)
        if cpu := self._folders.get("cpu"):
            files.write(f"{cpu}/cpu.max", f"{max(1_000, int(cpus * PERIOD))} {PERIOD}")

    def join(self) -> None:
        """See `Group.join`."""
        for folder in self._each():
            files.write(f"{folder}/cgroup.procs", 0)

    def doors(self) -> list[int]:
        """See `Group.doors`."""
        return [os.open(f"{folder}/cgroup.procs", os.O_WRONLY) for folder in sorted(self._each())]

    def usage(self) -> Usage:
        """See `Group.usage`."""
        cpu = peak = None
        killed = False
        for folder in self._each():
            cpu = _table(f"{folder}/cpu.stat")["usage_usec"] / 1e6
        if folder := self._folders.get("memory", ""):
            killed = _table(f"{folder}/memory.events").get("oom_kill", 0) > 0
            # Since Linux 5.19.
            with contextlib.suppress(FileNotFoundError):
                peak = int(files.read(f"{folder}/memory.peak"))
        return Usage(cpu, peak, killed)


def find(proc: str, wanted: tuple[str, ...] = CONTROLLERS) -> dict[str, str]:
    """Controller -> the group below which groups with this controller can be made.

    Args:
        proc: Where procfs is mounted.
        wanted: Controllers to look for.
    """
    path = files.own_paths(proc).get("")
    for root, point, _ in files.mounts(proc, "cgroup2"):
        own = None if path is None else files.own_folder(root, point, path)
        if own is not None:
            base = os.path.dirname(own) if os.path.basename(own) == LEAF else own
            return dict.fromkeys(_enable_below(base, wanted), base)
    return {}


def enable(folder: str, wanted: set[str]) -> set[str]:
    """Hand controllers on to the children of a group that holds no process; returns those that they have."""
    for controller in sorted(wanted):
        # One that is bound elsewhere or not handed down must not keep the others away.
        with contextlib.suppress(OSError):
            files.write(f"{folder}/cgroup.subtree_control", f"+{controller}")
    return wanted & set(files.read(f"{folder}/cgroup.subtree_control").split())


def _enable_below(base: str, wanted: tuple[str, ...]) -> set[str]:
    names = ("", "/cgroup.procs", "/cgroup.subtree_control")
    if not all(os.access(base + name, os.W_OK) for name in names):
        return set()
    there = set(wanted) & set(files.read(f"{base}/cgroup.controllers").split())
    enabled = there & set(files.read(f"{base}/cgroup.subtree_control").split())
    if there <= enabled:
        return enabled
    # The root of all, which alone has no type, may hold processes beside children with controllers.
    if os.path.exists(f"{base}/cgroup.type") and not _vacate(base):
        return enabled
    return enable(base, there)


def _vacate(base: str) -> bool:
    procs = f"{base}/cgroup.procs"
    if not _may_move(base, procs):
        return False
    with contextlib.suppress(FileExistsError):
        os.mkdir(f"{base}/{LEAF}")
    for _ in range(_ROUNDS):
        pids = files.read(procs).split()
        if not pids:
            return True
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                files.write(f"{base}/{LEAF}/cgroup.procs", pid)
    return False


def _may_move(base: str, procs: str) -> bool:
    for mark in _MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(base, mark) == b"1":
                return True
    own = set(processes.below([os.getpid()], processes.children()))
    return {int(pid) for pid in files.read(procs).split()} <= own


def _table(path: str) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in files.read(path).splitlines())}
