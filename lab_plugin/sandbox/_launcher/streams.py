"""stdout and stderr: kept up to a limit, the rest read and dropped, so that a flood never blocks or fills."""

from __future__ import annotations

import os

_READ = 1 << 18


class Stream:
    """One pipe and its log file.

    Args:
        folder: Open destination folder.
        name: Log file's name.
        limit: Bytes to keep.
    """

    def __init__(self, folder: int, name: str, limit: int) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(name, flags, 0o644, dir_fd=folder)
        self._left = limit
        self._dropped = 0
        self._head = b""

    @property
    def head(self) -> bytes:
        """The first 4 KiB."""
        return self._head

    def close_write_end(self) -> None:
        """Leave writing to the program."""
        os.close(self.write_end)

    def pump(self) -> bool:
        """Move what is there; False when there is nothing now, or never again."""
        try:
            data = os.read(self.read_end, _READ)
        except BlockingIOError:
            return False
        self._head += data[: max(0, 4096 - len(self._head))]
        kept = data[: self._left]
        self._left -= len(kept)
        self._dropped += len(data) - len(kept)
        _write(self._file, kept)
        return bool(data)

    def finish(self) -> None:
        """Take what is left in the pipe, once every writer is dead, and close the log."""
        while self.pump():
            pass
        if self._dropped:
            _write(self._file, f"\n[{self._dropped:,} bytes more were dropped]\n".encode())
        os.close(self._file)
        os.close(self.read_end)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
