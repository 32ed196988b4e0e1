"""The lines of a file, streamed, each with its number."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lab_plugin.errors import ImportingError
from lab_plugin.importing._limits import FILE_BYTES, LINE_BYTES
from lab_plugin.importing._row import BadRow


class Line(NamedTuple):
    """A line of text without its end, and its number from 1."""

    number: int
    text: str


def require_file(path: Path, limit: int = FILE_BYTES) -> None:
    """See that a path is a plain file of a size that is read.

    Raises:
        ImportingError: It is not.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ImportingError(f"{path} cannot be read: {error.strerror}.", "Name an existing file.") from error
    if not stat.S_ISREG(status.st_mode):
        raise ImportingError(f"{path} is no plain file.", "Name the file itself.")
    if status.st_size > limit:
        raise ImportingError(
            f"{path} has {status.st_size >> 20} MiB, more than the {limit >> 20} MiB that are read.",
            "Import a part of it.",
        )


def lines_of(path: Path) -> Iterator[Line | BadRow]:
    """The lines of a file of UTF-8, empty ones left out.

    Raises:
        ImportingError: It is no plain file, cannot be read, or is too large.
    """
    require_file(path)
    # A file may become a pipe meanwhile; a reader that waits for ever would be no answer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        number = 0
        while data := stream.readline(LINE_BYTES + 1):
            number += 1
            if len(data) > LINE_BYTES:
                while data and not data.endswith(b"\n"):
                    data = stream.readline(LINE_BYTES)
                yield BadRow(number, f"it has more than {LINE_BYTES >> 10} KiB")
                continue
            line = _decoded(number, data)
            if isinstance(line, BadRow) or line.text.strip():
                yield line


def _decoded(number: int, data: bytes) -> Line | BadRow:
    if number == 1:
        data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        return BadRow(number, "it holds a NUL byte")
    try:
        return Line(number, data.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError as error:
        return BadRow(number, f"it is no UTF-8 ({error.reason})")
