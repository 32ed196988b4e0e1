"""Letting a writable file be replaced, as editors do: they write a new file and rename it over the old one.

A file that something is mounted on cannot be replaced, so its folder is made writable instead. All else in
that folder gets a rule of its own, by which it stays what and where it is. What the program leaves there
besides is for the caller to judge.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from .folders import FOLDER, anchor

MOST_BESIDE = 128
_ROOT = "."


def with_folders(workspace: int, rules: Mapping[str, str]) -> dict[str, str]:
    """The rules, with the folders of writable files made writable but for what else is in them.

    A folder that has a rule of its own keeps it, and so does one with more than `MOST_BESIDE` entries, each
    of which would be a mount: their files can be written in place only.

    Args:
        workspace: Open folder.
        rules: Path -> `rw`, `ro` or `hidden`, each of which exists and is not reached through a link.
    """
    beside: dict[str, str] = {}
    opened: dict[str, str] = {}
    for folder in sorted({_parent(path) for path, mode in rules.items() if mode == "rw" and path != _ROOT}):
        if folder in rules or _inherited(folder, rules) != "ro":
            continue
        entries = _entries(workspace, folder)
        if any(rules.get(path) == "rw" and stat.S_ISREG(mode) for path, mode in entries.items()):
            opened[folder] = "rw"
            beside.update(dict.fromkeys(filter(_is_text, _mountable(entries)), "ro"))
    return {**beside, **opened, **rules}


def _entries(workspace: int, folder: str) -> dict[str, int]:
    """Path -> mode of what is in a folder; nothing where that is too much."""
    anchored = anchor(workspace, folder)
    try:
        # An anchor cannot be listed.
        fd = os.open(".", FOLDER, dir_fd=anchored)
    finally:
        os.close(anchored)
    try:
        names = os.listdir(fd)
        return {
            os.path.normpath(f"{folder}/{name}"): os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
            for name in (names if len(names) <= MOST_BESIDE else ())
        }
    finally:
        os.close(fd)


def _mountable(entries: Mapping[str, int]) -> Iterator[str]:
    # Nothing can be mounted on a link.
    return (path for path, mode in entries.items() if stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_text(path: str) -> bool:
    """Whether it can be told to an engine, in JSON."""
    return not any("\udc80" <= character <= "\udcff" for character in path)


def _parent(path: str) -> str:
    return os.path.dirname(path) or _ROOT


def _inherited(folder: str, rules: Mapping[str, str]) -> str:
    while folder != _ROOT:
        folder = _parent(folder)
        if folder in rules:
            return rules[folder]
    return "ro"
