"""Which files are the scorer's: one meaning of a pattern, for path strings and for folders on disk.

A pattern is anchored at the lab's folder. `*`, `?` and `[...]` stay within one name and match a leading
dot too, `**` stands for any number of folders, and a pattern that matches a folder takes all beneath it.
git's own folder is never a scorer file.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from lab_plugin.errors import ConfigError

_ANY_FOLDERS = "**"
_REMEDY = "Put the file itself in its place, or narrow the patterns of [scorer] files."


class Matcher:
    """Reads a path name by name, for all patterns at once.

    Args:
        patterns: As in `[scorer] files`.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._parts = tuple(tuple(pattern.split("/")) for pattern in patterns)
        self._names = {part: re.compile(fnmatch.translate(part)) for parts in self._parts for part in parts}
        self.start = frozenset(
            state for index in range(len(self._parts)) for state in self._closure(index, 0)
        )

    def step(self, states: frozenset[tuple[int, int]], name: str) -> frozenset[tuple[int, int]]:
        """Where the patterns stand after one more name."""
        after: set[tuple[int, int]] = set()
        for index, position in states:
            parts = self._parts[index]
            if position == len(parts):
                after.add((index, position))
            elif parts[position] == _ANY_FOLDERS:
                after.update(self._closure(index, position))
                if position == len(parts) - 1:
                    after.add((index, len(parts)))
            elif self._names[parts[position]].match(name):
                after.update(self._closure(index, position + 1))
        return frozenset(after)

    def walk(self, path: str) -> frozenset[tuple[int, int]]:
        """Where the patterns stand after a whole path; empty when none can match it or anything beneath."""
        states = self.start
        for name in path.split("/"):
            if name == ".git":
                return frozenset()
            states = self.step(states, name)
        return states

    def accepts(self, states: frozenset[tuple[int, int]]) -> bool:
        """Whether some pattern has matched."""
        return any(position == len(self._parts[index]) for index, position in states)

    def _closure(self, index: int, position: int) -> Iterator[tuple[int, int]]:
        yield index, position
        parts = self._parts[index]
        while position < len(parts) - 1 and parts[position] == _ANY_FOLDERS:
            position += 1
            yield index, position


@lru_cache(maxsize=64)
def matcher(patterns: tuple[str, ...]) -> Matcher:
    """The matcher of some patterns, made once."""
    return Matcher(patterns)


def is_bytecode(path: str) -> bool:
    """Whether a path is Python's compiled bytecode, which is never locked."""
    return path.endswith(".pyc") or "__pycache__" in path.split("/")


def is_scorer_file(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path belongs to the scorer and so must be hidden from candidates.

    Every path that `scorer_files` lists is one. Compiled bytecode beneath the patterns is one too, though
    it is never locked: it would give the scorer away.

    Args:
        path: Relative POSIX path in the lab's folder, in its shortest form.
        patterns: As in `[scorer] files`.
    """
    found = matcher(tuple(patterns))
    return found.accepts(found.walk(path))


def scorer_files(folder: Path, patterns: Iterable[str]) -> list[str]:
    """List the scorer's files as they lie on disk, without compiled bytecode.

    Args:
        folder: The lab's folder.
        patterns: As in `[scorer] files`.

    Returns:
        Relative POSIX paths, sorted.

    Raises:
        ConfigError: A matching entry, or a folder on the way to one, is a symbolic link, is no regular
            file, has a name that is not UTF-8, or cannot be read. Every such entry is listed.
    """
    found = matcher(tuple(patterns))
    files: list[str] = []
    faults: list[str] = []
    pending = [("", found.start)]
    while pending:
        prefix, states = pending.pop()
        for name, mode in _entries(folder / prefix, prefix, faults):
            path = f"{prefix}{name}"
            after = found.step(states, name)
            if not after or name == ".git":
                continue
            if stat.S_ISDIR(mode):
                pending.append((f"{path}/", after))
            elif is_bytecode(path):
                continue
            elif reason := _why_not(folder / path, mode, matched=found.accepts(after)):
                faults.append(f"{path}: {reason}")
            elif found.accepts(after):
                files.append(path)
    if faults:
        raise ConfigError(f"The scorer in {folder} cannot be locked.", _REMEDY, tuple(sorted(faults)))
    return sorted(files)


def _why_not(path: Path, mode: int, *, matched: bool) -> str:
    """Why an entry that is no folder must not lie where the patterns look; empty when it may."""
    if stat.S_ISLNK(mode):
        return "is a symbolic link" if matched or path.is_dir() else ""
    return "is not a regular file" if matched and not stat.S_ISREG(mode) else ""


def _entries(folder: Path, prefix: str, faults: list[str]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    entry.name.encode()
                except UnicodeEncodeError:
                    faults.append(f"{prefix}{os.fsencode(entry.name)!r}: the name is not UTF-8")
                    continue
                found.append((entry.name, entry.stat(follow_symlinks=False).st_mode))
    except OSError as error:
        faults.append(f"{prefix or '.'}: cannot be read: {error.strerror}")
    return found
