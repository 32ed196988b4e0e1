"""Walking folders that a hostile program filled: never through a link, at any depth."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator

from .request import Refused

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ANCHOR = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_DEPTH = 200


class TooDeep(Exception):
    """Folders nest deeper than `MAX_DEPTH`."""


def descend(root: int, parts: tuple[str, ...]) -> int:
    """Open the folder `root/parts` without following a link; the caller closes it.

    Raises:
        OSError: A part is missing, a link or no folder.
    """
    fd = os.dup(root)
    for part in parts:
        try:
            deeper = os.open(part, FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def anchor(root: int, relative: str) -> int:
    """O_PATH descriptor of `root/relative` without following a link; the caller closes it."""
    parts = tuple(part for part in relative.split("/") if part not in ("", "."))
    if not parts:
        return os.dup(root)
    folder = descend(root, parts[:-1])
    try:
        fd = os.open(parts[-1], ANCHOR, dir_fd=folder)
    finally:
        os.close(folder)
    if stat.S_ISLNK(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{relative} is a symbolic link")
    return fd


def walk(
    root: int, depth: int = 0, skipped: Container[tuple[int, int]] = ()
) -> Iterator[tuple[int, str, os.stat_result]]:
    """(folder descriptor, name, lstat) of everything below an open folder.

    Args:
        root: The folder.
        depth: Its own.
        skipped: (device, inode) of what is left out, with all below it.

    Raises:
        TooDeep: It nests deeper than `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise TooDeep
    for name in os.listdir(root):
        try:
            status = os.stat(name, dir_fd=root, follow_symlinks=False)
            if (status.st_dev, status.st_ino) in skipped:
                continue
            yield root, name, status
            if stat.S_ISDIR(status.st_mode):
                fd = os.open(name, FOLDER, dir_fd=root)
                try:
                    yield from walk(fd, depth + 1, skipped)
                finally:
                    os.close(fd)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue


def disk_usage(root: int, skipped: Container[tuple[int, int]] = ()) -> int:
    """Bytes on disk below an open folder, or of an open file.

    Args:
        root: It.
        skipped: (device, inode) of what is left out, with all below it.
    """
    status = os.fstat(root)
    if not stat.S_ISDIR(status.st_mode):
        return status.st_blocks * 512
    return sum(found.st_blocks * 512 for _, _, found in walk(root, 0, skipped))


def own_all(root: int, uid: int | None, skipped: Container[tuple[int, int]]) -> None:
    """Make `uid` the owner of a file, or of a folder and all below it.

    Args:
        root: O_PATH descriptor.
        uid: The user; None to leave the owners, and only look.
        skipped: (device, inode) of what is left out, with all below it.

    Raises:
        TooDeep: It nests deeper than `MAX_DEPTH`.
        Refused: A hard link, which would carry the change out of the folder.
    """
    path = f"/proc/self/fd/{root}"
    status = os.fstat(root)
    if not stat.S_ISDIR(status.st_mode):
        _own(status, path, uid)
        return
    if uid is not None:
        os.chown(path, uid, uid)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent, name, found in walk(folder, 0, skipped):
            _own(found, name, uid, parent)
    finally:
        os.close(folder)


def _own(status: os.stat_result, name: str, uid: int | None, parent: int | None = None) -> None:
    if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
        raise Refused(f"writable file {name} has {status.st_nlink} hard links", "Give the workspace copies.")
    if uid is not None:
        os.chown(name, uid, uid, dir_fd=parent, follow_symlinks=parent is None)


def remove_tree(parent: int, name: str) -> None:
    """Remove the folder `name` with all in it, however deep it nests."""
    pending = [name]
    count = 0
    while pending:
        current = pending.pop()
        with _opened(parent, current) as folder:
            if folder is None:
                continue
            for entry in os.listdir(folder):
                try:
                    os.unlink(entry, dir_fd=folder)
                except IsADirectoryError:
                    count += 1
                    # Moving a folder up instead of going down keeps one descriptor at any depth.
                    _allow(folder, entry)
                    os.rename(entry, f"{name}.{count}", src_dir_fd=folder, dst_dir_fd=parent)
                    pending.append(f"{name}.{count}")
        os.rmdir(current, dir_fd=parent)


def _allow(parent: int, name: str) -> None:
    fd = os.open(name, ANCHOR | os.O_DIRECTORY, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{fd}", 0o700)
    finally:
        os.close(fd)


class _opened:
    def __init__(self, parent: int, name: str) -> None:
        self._parent, self._name, self._fd = parent, name, -1

    def __enter__(self) -> int | None:
        try:
            _allow(self._parent, self._name)
        except FileNotFoundError:
            return None
        self._fd = os.open(self._name, FOLDER, dir_fd=self._parent)
        return self._fd

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
