"""The files that an interpreter can import from: listed with their stat, and as one digest of it all."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.scorer._stat_cache import FileStat

_Row = tuple[object, ...]
# A further environment that lies in a standard library's folder is not on its path.
_OTHERS = frozenset({"site-packages", "dist-packages"})
# A form without references between equal objects, so that equal rows give equal bytes.
_MARSHAL = 2


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
        folders; about ten microseconds a file.
        """
        whole = hashlib.blake2b()
        for _, folder, rows in self._walk():
            whole.update(marshal.dumps((folder, rows), _MARSHAL))
        return whole.hexdigest()

    def read(self) -> tuple[str, dict[str, tuple[Root, FileStat]]]:
        """The digest, and every regular file, also behind links: path -> root and stat."""
        whole = hashlib.blake2b()
        files: dict[str, tuple[Root, FileStat]] = {}
        for root, folder, rows in self._walk():
            whole.update(marshal.dumps((folder, rows), _MARSHAL))
            for row in rows:
                if len(row) == 1:
                    continue
                path = f"{folder}/{row[0]}" if row[0] else folder
                try:
                    found = FileStat.of(os.stat(path))
                except OSError:
                    continue
                if stat.S_ISREG(found.mode):
                    files[path] = (root, found)
        return whole.hexdigest(), files

    def _walk(self) -> Iterator[tuple[Root, str, list[_Row]]]:
        """Folder by folder, each with its rows sorted by name."""
        for root in self.roots:
            try:
                found = os.stat(root.path)
            except OSError:
                yield root, root.path, []
                continue
            if stat.S_ISDIR(found.st_mode):
                yield from self._walk_folders(root)
            else:
                yield root, root.path, [("", *_key(found))]

    def _walk_folders(self, root: Root) -> Iterator[tuple[Root, str, list[_Row]]]:
        elsewhere = {other.path for other in self.roots}
        linked = {os.path.realpath(root.path)}
        pending = [root.path]
        while pending:
            folder = pending.pop()
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                yield root, folder, []
                continue
            try:
                rows, folders, links = _read(descriptor)
            finally:
                os.close(descriptor)
            for name in folders:
                path = f"{folder}/{name}"
                if name not in _OTHERS and path not in elsewhere:
                    pending.append(path)
            for name in links:
                rows.extend(self._behind(f"{folder}/{name}", name, linked, pending))
            rows.sort()
            yield root, folder, rows

    def _behind(self, path: str, name: str, linked: set[str], pending: list[str]) -> Iterator[_Row]:
        """What a link leads to: a file's stat, or a folder that is walked once."""
        try:
            found = os.stat(path)
        except OSError:
            return
        if not stat.S_ISDIR(found.st_mode):
            yield (name, *_key(found))
            return
        real = os.path.realpath(path)
        if real not in linked and any(Path(real).is_relative_to(folder) for folder in self.shown):
            linked.add(real)
            pending.append(path)


def _read(descriptor: int) -> tuple[list[_Row], list[str], list[str]]:
    """A folder's rows, and the names of its folders and links.

    By descriptor: the kernel need not find the folder again for every entry.
    """
    rows: list[_Row] = []
    folders: list[str] = []
    links: list[str] = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                rows.append((entry.name,))
                folders.append(entry.name)
                continue
            found = entry.stat(follow_symlinks=False)
            # Not by `_key`: a call for each of tens of thousands of files is a tenth of it all.
            name, size, inode, device = entry.name, found.st_size, found.st_ino, found.st_dev
            rows.append((name, size, found.st_mtime_ns, found.st_ctime_ns, inode, device))
            if entry.is_symlink():
                links.append(name)
    return rows, folders, links


def _key(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev
