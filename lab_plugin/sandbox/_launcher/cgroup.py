"""Control groups, version 1, where this user may make them: limits and figures of a whole process tree."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from typing import NamedTuple

FAMILY = "prefect-lab"
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")
_PERIOD = 100_000
_REMOVE_SECONDS = 5.0


class Usage(NamedTuple):
    """What a group used; None where no controller counted it."""

    cpu_seconds: float | None
    peak_bytes: int | None
    killed_for_memory: bool


class Group:
    """One job's folder in every controller's hierarchy, locked while its maker lives.

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
        if "memory" in self._folders:
            self._write("memory", "memory.limit_in_bytes", memory_bytes)
            if os.path.exists(f"{self._folders['memory']}/memory.memsw.limit_in_bytes"):
                self._write("memory", "memory.memsw.limit_in_bytes", memory_bytes)
        if "pids" in self._folders:
            self._write("pids", "pids.max", processes)
        if "cpu" in self._folders:
            self._write("cpu", "cpu.cfs_period_us", _PERIOD)
            self._write("cpu", "cpu.cfs_quota_us", max(1_000, int(cpus * _PERIOD)))

    def join(self) -> None:
        """Move the calling process, which must have a single thread, in."""
        for folder in set(self._folders.values()):
            # A thread that moves itself takes no lock of the whole machine; cgroup.procs costs up to 10 ms.
            _write(f"{folder}/tasks", 0)

    def freeze_forks(self) -> None:
        """Let nothing inside start a further process."""
        if "pids" in self._folders:
            self._write("pids", "pids.max", 0)

    def usage(self) -> Usage:
        """Figures since the group was made."""
        cpu = peak = None
        killed = False
        if "cpuacct" in self._folders:
            cpu = int(_read(f"{self._folders['cpuacct']}/cpuacct.usage")) / 1e9
        if "memory" in self._folders:
            folder = self._folders["memory"]
            peak = int(_read(f"{folder}/memory.max_usage_in_bytes"))
            events = dict(line.split() for line in _read(f"{folder}/memory.oom_control").splitlines())
            killed = int(events.get("oom_kill", 0)) > 0
        return Usage(cpu, peak, killed)

    def remove(self) -> None:
        """Kill what is left inside and remove the folders."""
        for folder in set(self._folders.values()):
            _remove(folder)
        for lock in self._locks:
            os.close(lock)
        self._locks = []

    def _write(self, controller: str, name: str, value: int) -> None:
        _write(f"{self._folders[controller]}/{name}", value)


def create(name: str) -> Group:
    """Make a job's group; empty where no hierarchy is open to this user.

    Args:
        name: Unique on this machine.
    """
    folders: dict[str, str] = {}
    locks: list[int] = []
    for controller, parent in parents().items():
        folder = f"{parent}/{name}"
        if folder not in folders.values():
            os.makedirs(parent, exist_ok=True)
            # Under the family's shared lock no sweep can see the folder before it is locked.
            with _Locked(parent, fcntl.LOCK_SH):
                os.mkdir(folder)
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(lock, fcntl.LOCK_EX)
                locks.append(lock)
        folders[controller] = folder
    return Group(folders, locks)


def parents() -> dict[str, str]:
    """Controller -> the family's folder below this process's own group, where it can be made."""
    mounts = _mounts()
    found = {}
    with open("/proc/self/cgroup") as lines:
        for line in lines:
            _, names, path = line.rstrip("\n").split(":", 2)
            for controller in set(names.split(",")) & set(CONTROLLERS) & set(mounts):
                root, point = mounts[controller]
                inside = os.path.relpath(path, root)
                own = os.path.normpath(f"{point}/{inside}")
                if not inside.startswith("..") and os.access(own, os.W_OK):
                    found[controller] = f"{own}/{FAMILY}"
    return found


def remove_named(name: str) -> None:
    """Remove the group `name` of a maker that is known to be dead."""
    for parent in set(parents().values()):
        _remove(f"{parent}/{name}")


def sweep() -> None:
    """Remove the groups of makers that died without a chance to do so."""
    for parent in set(parents().values()):
        if not os.path.isdir(parent):
            continue
        with _Locked(parent, fcntl.LOCK_EX):
            for entry in os.scandir(parent):
                if entry.is_dir() and not _in_use(entry.path):
                    # What cannot be removed now is tried again at the next start.
                    with contextlib.suppress(OSError):
                        _remove(entry.path)


class _Locked:
    def __init__(self, folder: str, kind: int) -> None:
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._fd, kind)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _mounts() -> dict[str, tuple[str, str]]:
    found = {}
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields, _, rest = line.rstrip("\n").partition(" - ")
            kind, _, options = rest.split(" ", 2)
            if kind == "cgroup":
                root, point = fields.split(" ")[3:5]
                for controller in set(options.split(",")) & set(CONTROLLERS):
                    found[controller] = (root, point)
    return found


def _in_use(folder: str) -> bool:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _remove(folder: str) -> None:
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        try:
            for pid in _read(f"{folder}/cgroup.procs").split():
                _kill(int(pid))
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, value: int) -> None:
    with open(path, "w") as file:
        file.write(str(value))
