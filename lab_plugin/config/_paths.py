"""Relative POSIX paths inside a lab: which are allowed, and which lie within which."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

_MAX_PART_BYTES = 255
_MAX_PATH_BYTES = 1_024


def check_path(path: str, *, pattern: bool = False) -> str:
    """Return a path that is relative, plain and stays inside the lab.

    Args:
        path: As written in `lab.toml`.
        pattern: True for a pattern of files, where `*`, `?` and `[...]` are allowed.

    Raises:
        ValueError: It is not such a path; the message says why.
    """
    if not path:
        raise ValueError("a path must not be empty")
    if any(not character.isprintable() for character in path):
        raise ValueError("a path must not hold control or other unprintable characters")
    if "\\" in path:
        raise ValueError("a path is written with /, never with a backslash")
    if path.startswith(("/", "~")):
        raise ValueError("a path must be relative to the lab's folder")
    if not pattern and any(character in path for character in "*?"):
        raise ValueError("patterns are not taken here; name the file or its folder")
    if len(path.encode()) > _MAX_PATH_BYTES:
        raise ValueError(f"a path must not be longer than {_MAX_PATH_BYTES} bytes")
    for part in path.split("/"):
        _check_part(part)
    return path


def _check_part(part: str) -> None:
    if part == "":
        raise ValueError("a path must not end with / or hold //")
    if part == ".":
        raise ValueError('a path must not hold "."; leave it out, or name the files and folders one by one')
    if part == "..":
        raise ValueError('a path must not leave the lab\'s folder with ".."')
    if part.casefold() == ".git":
        raise ValueError("a path must not name git's own folder")
    if len(part.encode()) > _MAX_PART_BYTES:
        raise ValueError(f"a name in a path must not be longer than {_MAX_PART_BYTES} bytes")


def within(path: str, folder: str) -> bool:
    """Whether a path is another path or lies beneath it."""
    return path == folder or path.startswith(f"{folder}/")


def covering(path: str, folders: Iterable[str]) -> str | None:
    """The first of some paths that a path is or lies beneath; None when there is none."""
    return next((folder for folder in folders if within(path, folder)), None)


def check_disjoint(paths: Sequence[str]) -> None:
    """Check that no path is given twice or lies beneath another.

    Raises:
        ValueError: Two of them overlap; the message names both.
    """
    ordered = sorted(paths, key=lambda path: path.split("/"))
    for first, second in itertools.pairwise(ordered):
        if first == second:
            raise ValueError(f'"{first}" is given twice')
        if within(second, first):
            raise ValueError(f'"{second}" lies within "{first}", which is given too')
