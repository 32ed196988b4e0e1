"""Where a job's logs and outputs are written on the host, within their limits whatever arrives."""

from __future__ import annotations

import os
from pathlib import Path

from lab_plugin.sandbox._contract import Job

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Malformed(Exception):
    """The first process said what it never says."""


class Log:
    """One log file.

    Args:
        path: Where.
        limit: Bytes to keep.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._file = os.open(path, _NEW, 0o644)
        self._left = limit

    def add(self, data: bytes) -> None:
        """Write.

        Raises:
            Malformed: More than the limit.
        """
        if len(data) > self._left:
            raise Malformed("more of a log than was asked for")
        self._left -= len(data)
        _write(self._file, data)

    def finish(self, dropped: int) -> None:
        """Close it; a last line tells what was dropped."""
        if dropped:
            _write(self._file, f"\n[{dropped:,} bytes more were dropped]\n".encode())
        os.close(self._file)


class Outputs:
    """Declared outputs, as they come in.

    Args:
        job: Whose.
    """

    def __init__(self, job: Job) -> None:
        self._names = job.outputs
        self._folder = job.destination / "outputs"
        self._folder.mkdir(mode=0o755)
        self._largest = job.limits.file_bytes
        self._room = job.limits.disk_bytes
        self._next = 0
        self._file = -1
        self._left = 0
        self.taken: dict[str, Path] = {}
        self.refused: dict[str, str] = {}

    def refuse(self, index: int, reason: str) -> None:
        """Note why an output was not taken.

        Raises:
            Malformed: It is not its turn.
        """
        plain = "".join(character if character.isprintable() else " " for character in reason[:200])
        self.refused[self._turn(index)] = plain

    def begin(self, index: int, size: int) -> None:
        """Make the copy of an output.

        Raises:
            Malformed: It is not its turn, or it is too large.
        """
        name = self._turn(index)
        if not 0 <= size <= min(self._largest, self._room):
            raise Malformed("an output beyond its limits")
        self._room -= size
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, _NEW, 0o644)
        self._left = size
        self.taken[name] = path
        self._close_when_whole()

    def add(self, data: bytes) -> None:
        """Write a piece of the output that was begun.

        Raises:
            Malformed: There is none, or it is longer than it was said to be.
        """
        if self._file < 0 or len(data) > self._left:
            raise Malformed("more of an output than was announced")
        self._left -= len(data)
        _write(self._file, data)
        self._close_when_whole()

    def finish(self) -> None:
        """See that each was told of.

        Raises:
            Malformed: One was not.
        """
        if self._next != len(self._names) or self._file >= 0:
            raise Malformed("fewer outputs than were asked for")

    def lose(self) -> None:
        """Give up what was not told of, and the output in the middle."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            name = self._names[self._next - 1]
            self.taken.pop(name).unlink()
            self.refused[name] = _LOST
        for name in self._names[self._next :]:
            self.refused[name] = _LOST
        self._next = len(self._names)

    def _turn(self, index: int) -> str:
        if index != self._next or index >= len(self._names) or self._file >= 0:
            raise Malformed("an output out of turn")
        self._next += 1
        return self._names[index]

    def _close_when_whole(self) -> None:
        if self._left == 0:
            os.close(self._file)
            self._file = -1


_LOST = "lost with its container"


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
