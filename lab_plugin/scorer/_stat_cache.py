"""What is known of files from an earlier look: digests by path, believed as long as `stat` says the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lab_plugin.whole_file import write_whole

# A file written again within one tick of its file system's clock keeps its times; FAT has ticks of 2 s.
_TICK_NS = 2_000_000_000
_MANY = 10_000


class FileStat(NamedTuple):
    """What tells a file from what it was.

    Attributes:
        size: Bytes.
        mtime_ns: When its content was written; any process may set it.
        ctime_ns: When anything of it was changed; only the kernel sets it.
        inode: Number on its device.
        device: Number of its file system.
        mode: Type and permissions.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileStat:
        """From what `os.stat` gives."""
        return cls(
            found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev, found.st_mode
        )


class Known(NamedTuple):
    """A file's digest and when it was taken.

    Attributes:
        stat: As it was before and after its content was read.
        taken_ns: When reading began, nanoseconds since 1970.
        digest: Of the content.
    """

    stat: FileStat
    taken_ns: int
    digest: str

    def holds(self, found: FileStat) -> bool:
        """Whether a file with this stat must have the content that was read.

        One that changed within a tick of being read may have changed again without a trace, as in git's
        index. The change time decides, since whatever writes content sets it and nothing can set it back.
        """
        return self.stat == found and self.stat.ctime_ns + _TICK_NS < self.taken_ns


class StatCache:
    """Digests by path, in a file of the lab's own that no sandbox shows.

    The file is replaced as a whole and carries a digest of itself: one that is missing, half written or
    damaged counts as empty, and everything is hashed again. Of two processes that save at once one wins.

    Args:
        path: The file; None to remember for the life of this object only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._loaded: dict[str, Known] | None = None
        self._seen: set[str] = set()
        self._changed = False

    def get(self, path: str, found: FileStat) -> str | None:
        """The digest of a file with this stat; None when it must be read."""
        known = self._entries().get(path)
        self._seen.add(path)
        return known.digest if known is not None and known.holds(found) else None

    def last(self, path: str) -> str | None:
        """The digest that the file had when it was read last, whatever it has now."""
        known = self._entries().get(path)
        return known.digest if known is not None else None

    def paths(self) -> Iterable[str]:
        """Every path that is known."""
        return self._entries().keys()

    def put(self, path: str, known: Known) -> None:
        """Remember a file that was read just now."""
        self._entries()[path] = known
        self._seen.add(path)
        self._changed = True

    def keep_only(self, paths: Iterable[str]) -> None:
        """Forget all other paths."""
        entries, wanted = self._entries(), set(paths)
        for path in [path for path in entries if path not in wanted]:
            del entries[path]
            self._changed = True

    def save(self) -> None:
        """Write what is new. A disk that is full costs no more than hashing again."""
        if self._path is None or not self._changed:
            return
        entries = self._entries()
        if len(entries) > _MANY:
            for path in [path for path in entries if path not in self._seen and not os.path.lexists(path)]:
                del entries[path]
        body = json.dumps(
            {path: (*known.stat, known.taken_ns, known.digest) for path, known in entries.items()}
        )
        with contextlib.suppress(OSError):
            write_sealed(self._path, body.encode())
            self._changed = False

    def _entries(self) -> dict[str, Known]:
        if self._loaded is None:
            self._loaded = {}
            body = read_sealed(self._path) if self._path is not None else None
            if body is not None:
                rows = json.loads(body)
                self._loaded = {path: Known(FileStat(*row[:6]), row[6], row[7]) for path, row in rows.items()}
        return self._loaded


def now_ns() -> int:
    """The clock by which file systems stamp, nanoseconds since 1970."""
    return time.time_ns()


def write_sealed(path: Path, body: bytes) -> None:
    """Replace a file as a whole, with a digest of its content in front.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, hashlib.blake2b(body).hexdigest().encode() + b"\n" + body)


def read_sealed(path: Path) -> bytes | None:
    """What `write_sealed` wrote; None when it is missing or not whole."""
    try:
        seal, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return body if seal == hashlib.blake2b(body).hexdigest().encode() else None
