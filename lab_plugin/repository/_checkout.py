"""A folder becomes what a tree says: raw blobs, no filters, no link followed on the way."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.errors import RepositoryError
from lab_plugin.repository._names import fault, leaves
from lab_plugin.repository._objects import EMPTY_TREE
from lab_plugin.repository._repository import Repository
from lab_plugin.repository._trees import EXECUTABLE, FILE, FOLDER, GITLINK, LINK, Entry

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@dataclass(frozen=True)
class Checkout:
    """Writes trees into folders.

    Attributes:
        repository: Where trees and blobs come from.
        hidden: Paths that are never written.
        writable: Whether files get their write bit.
    """

    repository: Repository
    hidden: Callable[[str], bool]
    writable: bool

    def switch(self, folder: Path, before: str, after: str) -> None:
        """Turn a folder that holds `before` into one that holds `after`; equal folders are not visited.

        Raises:
            RepositoryError: The tree cannot be written out safely, or the disk refuses.
        """
        try:
            root = os.open(folder, _OPEN_FOLDER)
            try:
                self._switch(root, "", before, after)
            finally:
                os.close(root)
        except OSError as error:
            raise RepositoryError(
                f"The workspace {folder} cannot be written: {error.strerror} ({error.filename}).",
                "Check free space and permissions of the lab's state folder.",
            ) from error

    def _switch(self, at: int, prefix: str, before: str, after: str) -> None:
        old, new = self.repository.folder(before), self.repository.folder(after)
        changed = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
        for name in changed:
            self._remove(at, prefix, name, old.get(name), new.get(name))
        self._write_files(at, prefix, {name: new[name] for name in changed if name in new})
        for name in sorted(changed):
            entry, was = new.get(name), old.get(name)
            if entry is not None and entry.mode == FOLDER:
                start = was.oid if was is not None and was.mode == FOLDER else EMPTY_TREE
                self._enter(at, prefix, name, start, entry.oid)

    def _enter(self, at: int, prefix: str, name: str, before: str, after: str) -> None:
        self._check(prefix, name)
        created = _make_folder(at, name)
        below = os.open(name, _OPEN_FOLDER, dir_fd=at)
        try:
            if created:
                os.fchmod(below, 0o755)
            self._switch(below, f"{prefix}{name}/", before, after)
        finally:
            os.close(below)
        _drop_if_empty(at, name)

    def _remove(self, at: int, prefix: str, name: str, old: Entry | None, new: Entry | None) -> None:
        if old is None:
            return
        if old.mode != FOLDER:
            if not self.hidden(prefix + name):
                _remove_entry(at, name, is_folder=old.mode == GITLINK)
        elif new is None or new.mode != FOLDER:
            try:
                below = os.open(name, _OPEN_FOLDER, dir_fd=at)
            except FileNotFoundError:
                return
            try:
                self._switch(below, f"{prefix}{name}/", old.oid, EMPTY_TREE)
            finally:
                os.close(below)
            _drop_if_empty(at, name)

    def _write_files(self, at: int, prefix: str, entries: Mapping[str, Entry]) -> None:
        wanted = [
            (name, entry)
            for name, entry in entries.items()
            if entry.mode != FOLDER and not self.hidden(prefix + name)
        ]
        for name, entry in wanted:
            self._check(prefix, name)
            if entry.mode == GITLINK:
                os.mkdir(name, 0o755, dir_fd=at)
            elif entry.mode not in (FILE, EXECUTABLE, LINK):
                raise RepositoryError(f"{prefix}{name} has the unknown mode {entry.mode:o}.")
        blobs = [(name, entry) for name, entry in wanted if entry.mode != GITLINK]
        contents = self.repository.read_blobs([entry.oid for _, entry in blobs])
        for (name, entry), data in zip(blobs, contents, strict=True):
            if entry.mode == LINK:
                self._link(at, prefix + name, name, os.fsdecode(data))
            else:
                self._file(at, name, data, entry.mode == EXECUTABLE)

    def _file(self, at: int, name: str, data: bytes, executable: bool) -> None:
        file = os.open(name, _NEW_FILE, 0o600, dir_fd=at)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            os.fchmod(file, (0o644 if self.writable else 0o444) | (0o111 if executable else 0))
        finally:
            os.close(file)

    def _link(self, at: int, path: str, name: str, target: str) -> None:
        if leaves(path, target):
            raise RepositoryError(
                f"The symbolic link {path} may lead out of the repository (to {target!r}).",
                "Commit the file itself, or remove the link; public data belongs to `[candidate] data`.",
            )
        os.symlink(target, name, dir_fd=at)

    def _check(self, prefix: str, name: str) -> None:
        if (reason := fault(name)) is not None:
            raise RepositoryError(f"{prefix + name!r} {reason}; such a tree is not written out.")


def discard(folder: Path) -> None:
    """Remove a folder and all below it, also where a program took permissions away; links are not followed.

    Raises:
        RepositoryError: It cannot be removed.
    """
    if not os.path.lexists(folder):
        return
    try:
        try:
            shutil.rmtree(folder)
        except PermissionError:
            for parent, folders, _ in os.walk(folder):
                for name in folders:
                    path = os.path.join(parent, name)
                    if not os.path.islink(path):
                        os.chmod(path, 0o700)
            shutil.rmtree(folder)
    except OSError as error:
        raise RepositoryError(
            f"{folder} cannot be removed: {error.strerror} ({error.filename}).",
            "Remove it yourself, with the rights of the user that owns it.",
        ) from error


def _make_folder(at: int, name: str) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=at)
    except FileExistsError:
        return False
    return True


def _drop_if_empty(at: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=at)
    except OSError:
        return


def _remove_entry(at: int, name: str, *, is_folder: bool) -> None:
    found = os.stat(name, dir_fd=at, follow_symlinks=False)
    if is_folder and stat.S_ISDIR(found.st_mode):
        os.rmdir(name, dir_fd=at)
    else:
        os.unlink(name, dir_fd=at)
