"""Handing out declared outputs from the folder that the program filled, after its end."""

from __future__ import annotations

import os
import stat

from .channel import Channel
from .frames import DATA, FILE, LARGEST, REFUSED, pack

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_QUEUED = 1 << 18
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


def hand_out(folder: int, names: list[bytes], channel: Channel, file_bytes: int, total_bytes: int) -> None:
    """Send each declared output, or why it is refused.

    Args:
        folder: Open output folder.
        names: Declared outputs, relative.
        channel: To the lab.
        file_bytes: The largest single file.
        total_bytes: The largest sum; sparse files would pass a limit on disk blocks.
    """
    for index, name in enumerate(names):
        try:
            fd = _open(folder, name)
            try:
                total_bytes -= _send(fd, index, channel, file_bytes, total_bytes)
            finally:
                os.close(fd)
        except _Refusal as refusal:
            channel.put(REFUSED, pack([str(index).encode(), str(refusal).encode()]))


def _open(folder: int, name: bytes) -> int:
    *folders, last = name.split(b"/")
    parent = _parent(folder, folders)
    try:
        _require_plain(os.stat(last, dir_fd=parent, follow_symlinks=False))
        fd = os.open(last, _FILE, dir_fd=parent)
    except FileNotFoundError:
        raise _Refusal("missing") from None
    except OSError as error:
        raise _Refusal(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(parent)
    return fd


def _parent(folder: int, parts: list[bytes]) -> int:
    fd = os.dup(folder)
    for part in parts:
        try:
            deeper = os.open(part, _FOLDER, dir_fd=fd)
        except FileNotFoundError:
            raise _Refusal("missing") from None
        except OSError as error:
            # ELOOP and ENOTDIR.
            if error.errno in (40, 20):
                raise _Refusal("its folder is a link or no folder") from None
            raise _Refusal(f"its folder cannot be read: {error.strerror}") from None
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _require_plain(status: os.stat_result) -> None:
    for matches, words in _KINDS:
        if matches(status.st_mode):
            raise _Refusal(words)
    if status.st_nlink != 1:
        raise _Refusal("a hard link")


def _send(fd: int, index: int, channel: Channel, file_bytes: int, total_bytes: int) -> int:
    # Nothing but this process is alive: what was seen stays as it is.
    size = os.fstat(fd).st_size
    if size > file_bytes:
        raise _Refusal(f"{size:,} bytes, more than {file_bytes:,}")
    if size > total_bytes:
        raise _Refusal(f"{size:,} bytes, more than what was left for all outputs together")
    channel.put(FILE, pack([str(index).encode(), str(size).encode()]))
    left = size
    while left > 0:
        data = os.read(fd, min(left, LARGEST))
        if not data:
            raise OSError("an output shrank after its program's end")
        left -= len(data)
        channel.put(DATA, data)
        channel.drain(_QUEUED)
    return size
