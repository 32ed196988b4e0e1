"""Taking declared outputs out of a folder that a hostile program filled, after its end."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from .folders import descend

_CHUNK = 1 << 20
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class _Refusal(Exception):
    """Why an output is not taken."""


def collect(
    source: int, names: list[str], target: int, file_bytes: int, total_bytes: int
) -> tuple[list[str], dict[str, str]]:
    """Copy plain files of the open folder `source` to the open folder `target`.

    Args:
        source: Output folder.
        names: Declared outputs, relative.
        target: Receives the copies, 0644, below the same names.
        file_bytes: The largest single file.
        total_bytes: The largest sum; sparse files would pass a limit on disk blocks.

    Returns:
        The outputs that were taken, and why the others were not.
    """
    taken: list[str] = []
    refused: dict[str, str] = {}
    for name in names:
        try:
            total_bytes -= _take(source, name, target, file_bytes, total_bytes)
        except _Refusal as refusal:
            refused[name] = str(refusal)
        else:
            taken.append(name)
    return taken, refused


def _take(source: int, name: str, target: int, file_bytes: int, total_bytes: int) -> int:
    *folders, last = name.split("/")
    parent = _parent(source, tuple(folders))
    try:
        fd = _open(parent, last)
    finally:
        os.close(parent)
    try:
        size = os.fstat(fd).st_size
        if size > file_bytes:
            raise _Refusal(f"{size:,} bytes, more than {file_bytes:,}")
        if size > total_bytes:
            raise _Refusal(f"{size:,} bytes, more than what was left for all outputs together")
        _copy(fd, size, _create(target, tuple(folders), last))
        return size
    finally:
        os.close(fd)


def _parent(source: int, folders: tuple[str, ...]) -> int:
    try:
        return descend(source, folders)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise _Refusal("missing") from None
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _Refusal("its folder is a link or no folder") from None
        raise _Refusal(f"its folder cannot be read: {error.strerror}") from None


def _open(parent: int, name: str) -> int:
    try:
        _require_plain(os.stat(name, dir_fd=parent, follow_symlinks=False))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        raise _Refusal("missing") from None
    except OSError as error:
        raise _Refusal(f"cannot be read: {error.strerror}") from None
    try:
        _require_plain(os.fstat(fd))
    except _Refusal:
        os.close(fd)
        raise
    return fd


def _require_plain(status: os.stat_result) -> None:
    for matches, words in _KINDS:
        if matches(status.st_mode):
            raise _Refusal(words)
    if status.st_nlink != 1:
        raise _Refusal("a hard link")


def _create(target: int, folders: tuple[str, ...], name: str) -> int:
    parent = os.dup(target)
    for folder in folders:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o755, dir_fd=parent)
        deeper = descend(parent, (folder,))
        os.close(parent)
        parent = deeper
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o644, dir_fd=parent)
    finally:
        os.close(parent)


def _copy(source: int, size: int, target: int) -> None:
    try:
        while size > 0:
            data = os.read(source, min(size, _CHUNK))
            if not data:
                return
            size -= len(data)
            while data:
                data = data[os.write(target, data) :]
    finally:
        os.close(target)
