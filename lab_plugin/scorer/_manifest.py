"""The files that an interpreter can import from: listed with their stat, and as one digest of it all."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.scorer._bytecode import is_partial
from lab_plugin.scorer._listing import FOLDER, LINK, list_below, path_of
from lab_plugin.scorer._stat_cache import FileStat

# A further environment that lies in a standard library's folder is not on its path.
_OTHERS = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True)
class Root:
    """A folder or file of an environment.

    Attributes:
        label: Its name in a lock, the same on every machine; "" for what is watched and not locked.
        path: Where it is, absolute.
        split: Each entry of it is told apart in a lock; otherwise it counts as a whole.
    """

    label: str
    path: str
    split: bool = False


@dataclass(frozen=True)
class Manifest:
    """All files beneath some roots.

    Attributes:
        roots: What is walked; a root within another one is walked as itself only.
        shown: Folders that a sandbox shows; links to folders elsewhere lead nowhere inside.
    """

    roots: tuple[Root, ...]
    shown: tuple[str, ...]

    def digest(self) -> str:
        """A digest over name, size, times, inode and device of everything.

        Any file that is written, replaced, added, removed or renamed gives another one. Nothing is read but
        folders.

        Raises:
            LockError: There is no GNU find.
        """
        return _digest(self._records())

    def read(self) -> tuple[str, dict[str, tuple[Root, FileStat]]]:
        """The digest, and every regular file, also behind links: path -> root and stat.

        Raises:
            LockError: As `digest`.
        """
        records = list(self._records())
        files: dict[str, tuple[Root, FileStat]] = {}
        for root, found in records:
            for path in (path_of(record) for record in found if not record.startswith(FOLDER)):
                if is_partial(path):
                    continue
                try:
                    status = FileStat.of(os.stat(path))
                except OSError:
                    continue
                if stat.S_ISREG(status.mode):
                    files[path] = (root, status)
        return _digest(records), files

    def _records(self) -> Iterator[tuple[Root, list[bytes]]]:
        """Root by root, each with its entries in order."""
        for root in self.roots:
            try:
                found = os.stat(root.path)
            except OSError:
                yield root, []
                continue
            if stat.S_ISDIR(found.st_mode):
                yield root, sorted(self._below(root.path, {os.path.realpath(root.path)}))
            else:
                yield root, [_record(root.path, found)]

    def _below(self, folder: str, linked: set[str]) -> list[bytes]:
        """All entries below a folder, and behind links in it.

        Args:
            folder: Absolute.
            linked: Folders, by their true paths, that are not walked again.
        """
        elsewhere = [root.path for root in self.roots]
        records = list_below(folder, _OTHERS, elsewhere)
        for link in sorted(path_of(record) for record in records if record.startswith(LINK)):
            records += self._behind(link, linked)
        return records

    def _behind(self, path: str, linked: set[str]) -> list[bytes]:
        """What a link leads to: a file's stat, or a folder that is walked once."""
        try:
            found = os.stat(path)
        except OSError:
            return []
        if not stat.S_ISDIR(found.st_mode):
            return [_record(path, found)]
        real = os.path.realpath(path)
        if real in linked or not any(Path(real).is_relative_to(folder) for folder in self.shown):
            return []
        linked.add(real)
        return self._below(path, linked)


def _digest(records: Iterable[tuple[Root, list[bytes]]]) -> str:
    whole = hashlib.blake2b()
    for root, found in records:
        body = b"\0".join(found)
        whole.update(b"%s\0%d\0" % (os.fsencode(root.path), len(body)))
        whole.update(body)
    return whole.hexdigest()


def _record(path: str, found: os.stat_result) -> bytes:
    """As `list_below` has them, of what a link leads to, or of a root."""
    numbers = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev
    return b"f %d %d %d %d %d %s" % (*numbers, os.fsencode(path))
