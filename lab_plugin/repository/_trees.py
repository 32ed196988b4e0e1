"""Trees: read, compared and rewritten in this process; only the folders that differ are touched."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lab_plugin.errors import RepositoryError
from lab_plugin.repository._names import path_fault
from lab_plugin.repository._objects import EMPTY_TREE, Objects

FILE = 0o100644
EXECUTABLE = 0o100755
LINK = 0o120000
GITLINK = 0o160000
FOLDER = 0o040000
_MODES = frozenset({FILE, EXECUTABLE, LINK, GITLINK})
_CACHED_ENTRIES = 500_000


class Entry(NamedTuple):
    """What is at a path: an object id and git's mode for it.

    `0o100644` and `0o100755` are files, `0o120000` is a symbolic link, `0o160000` a submodule and `0o040000`
    a folder.
    """

    mode: int
    oid: str


class Change(NamedTuple):
    """One path that differs between two trees; None where it does not exist."""

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True)
class Blob:
    """A file to put into a tree.

    Attributes:
        data: Its content; None when `oid` names an object that is already stored.
        oid: The stored object.
        mode: `0o100644`, `0o100755`, `0o120000` (the data is the link's target) or `0o160000`.
    """

    data: bytes | None = None
    oid: str | None = None
    mode: int = FILE

    def __post_init__(self) -> None:
        if (self.data is None) == (self.oid is None) or self.mode not in _MODES:
            raise ValueError("a blob needs either data or an oid, and a known mode")


_Folder = dict[str, Entry]


class _Edits:
    """The changes of one folder."""

    __slots__ = ("files", "folders")

    def __init__(self) -> None:
        self.files: dict[str, Blob | None] = {}
        self.folders: dict[str, _Edits] = {}

    def only_deletes(self) -> bool:
        return not any(self.files.values()) and all(below.only_deletes() for below in self.folders.values())


class Trees:
    """Trees of one repository, with a bounded cache of parsed folders; safe for several threads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._cache: dict[str, _Folder] = {EMPTY_TREE: {}}
        self._cached = 0
        self._lock = threading.Lock()

    def folder(self, oid: str) -> Mapping[str, Entry]:
        """The entries of one folder, in git's order. Do not change it."""
        found = self._cache.get(oid)
        return self._keep(oid, parse(self._objects.read(oid, "tree"))) if found is None else found

    def lookup(self, tree: str, path: str) -> Entry | None:
        """What is at a path; the tree itself for "" and "."."""
        entry = Entry(FOLDER, tree)
        for part in [part for part in path.split("/") if part not in ("", ".")]:
            if entry.mode != FOLDER:
                return None
            found = self.folder(entry.oid).get(part)
            if found is None:
                return None
            entry = found
        return entry

    def files(self, tree: str) -> dict[str, Entry]:
        """All files, links and submodules below a tree, by path."""
        result: dict[str, Entry] = {}
        level = [("", tree)]
        while level:
            self._prefetch([oid for _, oid in level])
            below: list[tuple[str, str]] = []
            for prefix, oid in level:
                for name, entry in self.folder(oid).items():
                    if entry.mode == FOLDER:
                        below.append((f"{prefix}{name}/", entry.oid))
                    else:
                        result[prefix + name] = entry
            level = below
        return result

    def compare(self, before: str, after: str, prefix: str = "") -> Iterator[Change]:
        """What differs between two trees; equal folders are not even read."""
        if before == after:
            return
        old, new = self.folder(before), self.folder(after)
        for name in old.keys() | new.keys():
            a, b = old.get(name), new.get(name)
            if a == b:
                continue
            path = prefix + name
            a_folder, a = (a.oid, None) if a is not None and a.mode == FOLDER else (EMPTY_TREE, a)
            b_folder, b = (b.oid, None) if b is not None and b.mode == FOLDER else (EMPTY_TREE, b)
            if a is not None or b is not None:
                yield Change(path, a, b)
            yield from self.compare(a_folder, b_folder, path + "/")

    def edit(self, tree: str, changes: Mapping[str, Blob | None]) -> str:
        """Apply changes and return the new tree; None deletes (also what is not there).

        Raises:
            RepositoryError: A path can never be in a tree, or runs through a file that stays.
        """
        root = _Edits()
        for path, blob in changes.items():
            if (reason := path_fault(path)) is not None:
                raise RepositoryError(f"The path {path!r} {reason}.")
            *parents, name = path.split("/")
            edits = root
            for parent in parents:
                edits = edits.folders.setdefault(parent, _Edits())
            edits.files[name] = blob
        edited = self._edit(tree, root, "")
        return self._objects.write("tree", b"") if edited == EMPTY_TREE else edited

    def _edit(self, tree: str, edits: _Edits, prefix: str) -> str:
        entries = dict(self.folder(tree))
        for name, blob in edits.files.items():
            if blob is None:
                entries.pop(name, None)
            else:
                oid = blob.oid if blob.data is None else self._objects.write("blob", blob.data)
                assert oid is not None
                entries[name] = Entry(blob.mode, oid)
        for name, below in edits.folders.items():
            old = entries.get(name)
            if old is not None and old.mode != FOLDER:
                if below.only_deletes():
                    continue
                raise RepositoryError(f"{prefix}{name} is a file; nothing can be below it.")
            changed = self._edit(EMPTY_TREE if old is None else old.oid, below, f"{prefix}{name}/")
            if changed == EMPTY_TREE:
                entries.pop(name, None)
            else:
                entries[name] = Entry(FOLDER, changed)
        if not entries:
            return EMPTY_TREE
        ordered = dict(sorted(entries.items(), key=_order))
        oid = self._objects.write("tree", serialise(ordered))
        self._keep(oid, ordered)
        return oid

    def _prefetch(self, oids: list[str]) -> None:
        missing = [oid for oid in dict.fromkeys(oids) if oid not in self._cache]
        for oid, data in zip(missing, self._objects.read_many(missing, "tree"), strict=True):
            self._keep(oid, parse(data))

    def _keep(self, oid: str, entries: _Folder) -> _Folder:
        with self._lock:
            if self._cached > _CACHED_ENTRIES:
                self._cache = {EMPTY_TREE: {}}
                self._cached = 0
            if oid not in self._cache:
                self._cache[oid] = entries
                self._cached += len(entries) + 1
        return entries


def parse(data: bytes) -> _Folder:
    """Read the content of a tree object."""
    entries: _Folder = {}
    position, end = 0, len(data)
    while position < end:
        space = data.index(b" ", position)
        nul = data.index(b"\0", space)
        mode = int(data[position:space], 8)
        name = data[space + 1 : nul].decode("utf-8", "surrogateescape")
        # Old tools wrote group-writable files; git itself reads them as plain ones.
        entries[name] = Entry(FILE if mode == 0o100664 else mode, data[nul + 1 : nul + 21].hex())
        position = nul + 21
    return entries


def serialise(entries: Mapping[str, Entry]) -> bytes:
    """Write the content of a tree object; the entries must be in git's order."""
    return b"".join(
        b"%o %s\0%s"
        % (
            mode,
            name.encode("utf-8", "surrogateescape"),
            bytes.fromhex(oid),
        )
        for name, (mode, oid) in entries.items()
    )


def _order(item: tuple[str, Entry]) -> bytes:
    name = item[0].encode("utf-8", "surrogateescape")
    return name + b"/" if item[1].mode == FOLDER else name
