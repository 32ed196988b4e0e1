"""Hashing the files that a lock covers; unchanged files are recognised by their stat and not read again."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab_plugin.errors import LockError
from lab_plugin.scorer._stat_cache import FileStat, Known, StatCache, now_ns

LARGE = 4 << 20
"""Bytes from which on a file's digest is remembered on disk; smaller ones cost less than the remembering."""
_THREADS = min(8, os.cpu_count() or 1)


class FileHasher:
    """Hashes files and remembers their stat, so that a second look costs one `stat` a file.

    Files of at least `LARGE` bytes are remembered across processes. Safe for several threads.

    Args:
        cache: File of the memory on disk, outside of every sandbox; None for none.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._small = StatCache()
        self._large = StatCache(cache)
        self._lock = threading.Lock()

    def measure(self, folder: Path, paths: Iterable[str]) -> dict[str, str]:
        """Relative path -> `<mode>:<sha256>`, mode `100644` or `100755` as git has it.

        Raises:
            LockError: A file is missing, a link, not a regular file, or changed while it was read.
        """
        found = {name: self._remembered(folder / name) for name in sorted(paths)}
        unread = [name for name, measured in found.items() if not measured]
        if unread:
            # Reading and hashing both let go of the interpreter.
            with ThreadPoolExecutor(min(_THREADS, len(unread))) as pool:
                found.update(
                    zip(unread, pool.map(lambda name: self._read(folder / name, name), unread), strict=True)
                )
            with self._lock:
                self._large.save()
        return found

    @staticmethod
    def digest(data: bytes) -> str:
        """sha256 of bytes, in hex."""
        return hashlib.sha256(data).hexdigest()

    def _remembered(self, path: Path) -> str:
        """What was measured before, where the file's stat proves it; else ""."""
        try:
            found = FileStat.of(os.lstat(path))
        except OSError:
            return ""
        with self._lock:
            digest = self._cache(found).get(str(path), found)
        return _measured(found, digest) if digest is not None else ""

    def _read(self, path: Path, name: str) -> str:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LockError(
                f"The locked file {name} cannot be read: {error.strerror}.",
                "Restore it; what is locked consists of plain files.",
            ) from error
        with os.fdopen(descriptor, "rb") as stream:
            found = FileStat.of(os.fstat(stream.fileno()))
            if not stat.S_ISREG(found.mode):
                raise LockError(f"{name} is not a regular file.", "What is locked consists of plain files.")
            began = now_ns()
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if FileStat.of(os.fstat(stream.fileno())) != found:
                raise LockError(f"{name} changed while it was read.", "Run the command again.")
        with self._lock:
            self._cache(found).put(str(path), Known(found, began, digest))
        return _measured(found, digest)

    def _cache(self, found: FileStat) -> StatCache:
        return self._large if found.size >= LARGE else self._small


def _measured(found: FileStat, digest: str) -> str:
    return f"{'100755' if found.mode & stat.S_IXUSR else '100644'}:{digest}"
