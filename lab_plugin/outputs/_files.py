"""The files themselves: read without following anything, written anew."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lab_plugin.outputs._fault import OutputFault


@contextmanager
def opened(path: Path, largest: int) -> Iterator[tuple[BinaryIO, int]]:
    """A plain file with one name, and its size in bytes.

    Raises:
        OutputFault: It is something else, or larger than `largest` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OutputFault(f"cannot be read: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OutputFault("is no plain file with one name")
        if found.st_size > largest:
            raise OutputFault(f"has {found.st_size:,} bytes, more than {largest:,}")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield stream, found.st_size
    finally:
        os.close(descriptor)


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """A new file that the scorer's user can read and nobody changes, whatever the umask."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
        os.fchmod(descriptor, 0o444)


def make_folders(folder: Path, top: Path) -> None:
    """Make a folder and those above it, below `top`, readable by the scorer's user."""
    if folder == top or folder.is_dir():
        return
    make_folders(folder.parent, top)
    folder.mkdir()
    folder.chmod(0o755)
