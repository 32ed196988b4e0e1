"""One JSON line per request, on a file that cannot grow beyond its limit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

_RESERVED = 128
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class AccessLog:
    """The file; it never raises once it is open, and counts what it could not write.

    Args:
        path: Made when missing, mode 600; what is in it stays.
        max_bytes: Size that the file never passes.

    Raises:
        OSError: It cannot be opened.

    Attributes:
        dropped: Lines that found no room.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._fd = os.open(path, _FLAGS, 0o600)
        self._room = max_bytes - _RESERVED - os.fstat(self._fd).st_size
        self._is_torn = False
        self.dropped = 0

    def write(self, record: Mapping[str, object]) -> None:
        """Append one line; control characters and all beyond ASCII are escaped."""
        line = _line(record)
        if len(line) > self._room or not self._append(line):
            # Once one is missing, all that follow are: the file is a true beginning.
            self._room = 0
            self.dropped += 1

    def close(self) -> None:
        """Say how many lines are missing, and close."""
        if self.dropped and self._room > -_RESERVED:
            start = b"\n" if self._is_torn else b""
            self._append(start + _line({"dropped": self.dropped}))
        os.close(self._fd)

    def _append(self, line: bytes) -> bool:
        try:
            written = os.write(self._fd, line)
        except OSError:
            return False
        self._room -= written
        self._is_torn = written < len(line)
        return written == len(line)


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record).encode("ascii") + b"\n"
