"""The safe way in: an edited folder becomes a tree, or the idea is rejected.

The folder was written by a stranger. It is walked through folder descriptors, no link is followed, every
file is read through the descriptor that was checked, and every file is compared by content: times and
sizes prove nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab_plugin.errors import IntakeError
from lab_plugin.repository._names import fault, fault_of_new, leaves
from lab_plugin.repository._objects import EMPTY_TREE
from lab_plugin.repository._repository import Repository
from lab_plugin.repository._trees import EXECUTABLE, FILE, FOLDER, GITLINK, LINK, Blob, Entry

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CHUNK = 1 << 20
_DEEPEST = 100


@dataclass(frozen=True, kw_only=True)
class IntakeLimits:
    """Upper bounds of one edit.

    Attributes:
        file_bytes: The largest file that may be added or changed.
        total_bytes: All added and changed files together.
        files: Files and folders that are not in the base, counted wherever they are.
        ignored: Folders of these names that are not in the base are left out: caches, not code.
    """

    file_bytes: int = 16 << 20
    total_bytes: int = 64 << 20
    files: int = 5_000
    ignored: frozenset[str] = frozenset(
        {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints"}
    )


DEFAULT_LIMITS = IntakeLimits()


@dataclass(frozen=True)
class IntakeResult:
    """What was taken in.

    Attributes:
        tree: The new tree; the base itself when nothing changed.
        changed: Paths that were added, changed or deleted, sorted.
        ignored: Folders that were left out as caches, sorted.
    """

    tree: str
    changed: tuple[str, ...]
    ignored: tuple[str, ...]


def take_in(
    repository: Repository,
    folder: Path,
    base_tree: str,
    allowed: Sequence[str],
    hidden: Callable[[str], bool],
    limits: IntakeLimits = DEFAULT_LIMITS,
) -> IntakeResult:
    """Turn an edited workspace into a tree.

    Args:
        repository: Where the tree is written.
        folder: The workspace; no process of the editor is alive any more.
        base_tree: The tree that the workspace was written from.
        allowed: Files and folders (with all below them) that may change.
        hidden: Paths that were not in the workspace; they stay as in the base.
        limits: Upper bounds.

    Raises:
        IntakeError: A rule is broken; the message names the path and the rule. Nothing moved.
    """
    walk = _Walk(repository, frozenset(path.strip("/") for path in allowed), hidden, limits)
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            walk.enter(root, "", base_tree, 0)
        finally:
            os.close(root)
    except OSError as error:
        raise IntakeError(
            f"The edited workspace cannot be read: {error.strerror} ({error.filename})."
        ) from error
    changed = tuple(sorted(walk.changes))
    tree = repository.edit_tree(base_tree, walk.changes) if changed else base_tree
    return IntakeResult(tree, changed, tuple(sorted(walk.ignored)))


def may_change(path: str, allowed: Collection[str]) -> bool:
    """Whether a path is one of the files and folders that an idea may change, or below one of them."""
    if "." in allowed or "" in allowed:
        return True
    parts = path.split("/")
    return any("/".join(parts[:count]) in allowed for count in range(1, len(parts) + 1))


@dataclass
class _Walk:
    """One walk through one folder, and what it found."""

    repository: Repository
    allowed: frozenset[str]
    hidden: Callable[[str], bool]
    limits: IntakeLimits
    changes: dict[str, Blob | None] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    new: int = 0
    taken: int = 0

    def enter(self, at: int, prefix: str, base: str, depth: int) -> None:
        """Compare a folder with its base and note what changed."""
        if depth > _DEEPEST:
            raise _refusal(prefix, f"is more than {_DEEPEST} folders deep")
        expected = self.repository.folder(base)
        with os.scandir(at) as found:
            names = sorted(item.name for item in found)
        for name in names:
            self._visit(at, prefix, name, expected.get(name), depth)
        for name in expected.keys() - set(names):
            self._missing(prefix + name, expected[name])

    def _visit(self, at: int, prefix: str, name: str, base: Entry | None, depth: int) -> None:
        path = prefix + name
        if (reason := fault(name)) is not None:
            raise _refusal(path, reason)
        if base is None:
            self.new += 1
            if self.new > self.limits.files:
                raise _refusal(path, f"is one of more than {self.limits.files} new files")
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            self._folder(at, prefix, name, base, depth)
            return
        if self.hidden(path):
            raise _refusal(path, "belongs to the scorer")
        if stat.S_ISREG(found.st_mode):
            self._file(at, path, name, base, found)
        elif stat.S_ISLNK(found.st_mode):
            self._link(at, path, name, base)
        else:
            raise _refusal(path, f"is {_kind(found.st_mode)}, neither a file, a folder nor a link")
        if base is not None and base.mode == FOLDER:
            if any(self.hidden(f"{path}/{below}") for below in self.repository.entries(base.oid)):
                raise _refusal(path, "takes the place of a folder of the scorer")
            self._missing(path, base)

    def _folder(self, at: int, prefix: str, name: str, base: Entry | None, depth: int) -> None:
        path = prefix + name
        if base is None and name in self.limits.ignored:
            self.ignored.append(path)
            return
        below = os.open(name, _READ | os.O_DIRECTORY, dir_fd=at)
        try:
            if base is not None and base.mode == GITLINK:
                if os.listdir(below):
                    raise _refusal(path, "is a submodule; nothing can be put into it")
                return
            if base is not None and base.mode != FOLDER:
                if self.hidden(path):
                    raise _refusal(path, "takes the place of a file of the scorer")
                self._missing(path, base)
            start = base.oid if base is not None and base.mode == FOLDER else EMPTY_TREE
            self.enter(below, path + "/", start, depth + 1)
        finally:
            os.close(below)

    def _file(self, at: int, path: str, name: str, base: Entry | None, found: os.stat_result) -> None:
        if found.st_nlink != 1:
            raise _refusal(path, "has hard links")
        mode = EXECUTABLE if found.st_mode & stat.S_IXUSR else FILE
        same_kind = base is not None and base.mode in (FILE, EXECUTABLE)
        if found.st_size > self.limits.file_bytes and not (
            same_kind and base is not None and found.st_size == self.repository.blob_size(base.oid)
        ):
            raise self._too_large(path, found.st_size)
        file = os.open(name, _READ, dir_fd=at)
        with open(file, "rb", buffering=0) as stream:
            now = os.fstat(file)
            if _identity(now) != _identity(found) or now.st_nlink != 1 or now.st_size != found.st_size:
                raise _refusal(path, "changed while it was read")
            if base == Entry(mode, _hash(stream.read, found.st_size, path)):
                return
            if found.st_size > self.limits.file_bytes:
                raise self._too_large(path, found.st_size)
            stream.seek(0)
            data = stream.read(found.st_size + 1)
        if len(data) != found.st_size:
            raise _refusal(path, "changed while it was read")
        self._change(path, name, data, mode)

    def _link(self, at: int, path: str, name: str, base: Entry | None) -> None:
        target = os.readlink(name, dir_fd=at)
        data = os.fsencode(target)
        header = b"blob %d\0" % len(data)
        oid = hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
        if base == Entry(LINK, oid):
            return
        if leaves(path, target):
            raise _refusal(path, f"is a symbolic link that may leave the workspace (to {target!r})")
        self._change(path, name, data, LINK)

    def _change(self, path: str, name: str, data: bytes, mode: int) -> None:
        self._require_allowed(path)
        for part in path.split("/"):
            if (reason := fault_of_new(part)) is not None:
                raise _refusal(path, reason)
        self.taken += len(data)
        if self.taken > self.limits.total_bytes:
            raise _refusal(path, f"brings the edit over {_size(self.limits.total_bytes)}")
        oid = self.repository.write_blob(data)
        self.changes[path] = Blob(oid=oid, mode=mode)

    def _missing(self, path: str, base: Entry) -> None:
        gone: Mapping[str, Entry]
        if base.mode == FOLDER:
            gone = {f"{path}/{name}": entry for name, entry in self.repository.entries(base.oid).items()}
        else:
            gone = {path: base}
        for lost in gone:
            if not self.hidden(lost):
                self._require_allowed(lost)
                self.changes.setdefault(lost, None)

    def _require_allowed(self, path: str) -> None:
        if not may_change(path, self.allowed):
            raise _refusal(path, "is outside of what an idea may change")

    def _too_large(self, path: str, size: int) -> IntakeError:
        return _refusal(path, f"has {_size(size)}, more than {_size(self.limits.file_bytes)}")


def _hash(read: Callable[[int], bytes], size: int, path: str) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    left = size
    while left:
        chunk = read(min(left, _CHUNK))
        if not chunk:
            raise _refusal(path, "changed while it was read")
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, stat.S_IFMT(found.st_mode)


def _kind(mode: int) -> str:
    checks = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((text for check, text in checks if check(mode)), "a device")


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count} bytes"


def _refusal(path: str, rule: str) -> IntakeError:
    return IntakeError(
        f"The edit is refused: {path!r} {rule}.", "Change only the files that `[candidate] paths` names."
    )
