"""Reading, writing, locking and removing the folders of control groups."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping

_REMOVE_SECONDS = 5.0
_READ = 1 << 16


def read(path: str) -> str:
    """The whole text of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = [os.read(fd, _READ)]
        while chunks[-1]:
            chunks.append(os.read(fd, _READ))
    finally:
        os.close(fd)
    return b"".join(chunks).decode()


def write(path: str, value: int | str) -> None:
    """Write a value as one line."""
    # A file object takes five calls of the system more.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def mounts(proc: str, kind: str) -> Iterator[tuple[str, str, set[str]]]:
    """(root, mount point, options) of each mounted file system of a kind.

    Args:
        proc: Where procfs is mounted.
        kind: `cgroup` or `cgroup2`.
    """
    for line in read(f"{proc}/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        found, _, options = rest.split(" ", 2)
        if found == kind:
            root, point = fields.split(" ")[3:5]
            yield root, point, set(options.split(","))


def own_folder(root: str, point: str, path: str) -> str | None:
    """The folder of the group `path` under a mount; None when the mount does not show it."""
    inside = os.path.relpath(path, root)
    return None if inside.split("/")[0] == ".." else os.path.normpath(f"{point}/{inside}")


def own_paths(proc: str) -> Mapping[str, str]:
    """Controller -> group of this process; version 2 has the controller ''."""
    found = {}
    for line in read(f"{proc}/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        found.update(dict.fromkeys(names.split(","), path))
    return found


@contextlib.contextmanager
def locked(folder: str, kind: int) -> Iterator[None]:
    """Hold a lock (`fcntl.LOCK_SH`, `LOCK_EX`) of a folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, kind)
        yield
    finally:
        os.close(fd)


def is_locked(folder: str) -> bool:
    """Whether anybody holds its lock, or has just removed it."""
    try:
        with locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
    except (BlockingIOError, FileNotFoundError):
        return True


def remove(folder: str) -> None:
    """Kill what is left in a group and in those below it, and remove them.

    Raises:
        OSError: It cannot be removed.
    """
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        try:
            _kill(folder)
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            # A program with the right to do so may have made groups of its own in there.
            for entry in _folders(folder):
                remove(entry)
            time.sleep(0.001)
        else:
            return


def _folders(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _kill(folder: str) -> None:
    if os.path.exists(f"{folder}/cgroup.kill"):
        # The whole tree, forks in flight too; version 2 since Linux 5.14.
        write(f"{folder}/cgroup.kill", 1)
        return
    with contextlib.suppress(FileNotFoundError):
        for pid in read(f"{folder}/cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
