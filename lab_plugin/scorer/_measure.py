"""Hashing the files that a lock covers; unchanged files are recognised by their stat and not read again."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from lab_plugin.errors import LockError

_Stat = tuple[int, int, int, int, int]


class FileHasher:
    """Hashes files and remembers size, times and inode, so that a second look costs one `stat` a file.

    A file whose content changes without its change time is beyond what a process of this user can do; the
    memory lives as long as the process and is never written to disk.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Stat, str]] = {}

    def measure(self, folder: Path, paths: Iterable[str]) -> dict[str, str]:
        """Relative path -> `<mode>:<sha256>`, mode `100644` or `100755` as git has it.

        Raises:
            LockError: A file is missing, a link, or not a regular file.
        """
        return {path: self._one(folder / path, path) for path in sorted(paths)}

    @staticmethod
    def digest(data: bytes) -> str:
        """sha256 of bytes, in hex."""
        return hashlib.sha256(data).hexdigest()

    def _one(self, path: Path, name: str) -> str:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LockError(
                f"The locked file {name} cannot be read: {error.strerror}.",
                "Restore it; a scorer consists of plain files.",
            ) from error
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise LockError(f"{name} is not a regular file.", "A scorer consists of plain files.")
            key = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode)
            known = self._known.get(path)
            if known is None or known[0] != key:
                mode = "100755" if found.st_mode & stat.S_IXUSR else "100644"
                known = (key, f"{mode}:{hashlib.file_digest(stream, 'sha256').hexdigest()}")
                self._known[path] = known
        return known[1]
