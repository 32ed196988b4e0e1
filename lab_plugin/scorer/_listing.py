"""All that lies below a folder with its stat, as GNU find lists it.

Find does in a process of its own, and several in parallel, what takes Python twice the time and its lock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from lab_plugin.errors import LockError

FOLDER = b"d"
LINK = b"l"
_WORKERS = max(2, min(4, os.cpu_count() or 1))
# Folders differ in size: with some more parts than workers, these end at about the same time.
_PARTS = 4 * _WORKERS
_ENTRY = r"%y %s %T@ %C@ %i %D %p\0"
_SHOWN_FOLDER = FOLDER.decode() + r" %p\0"


def list_below(folder: str, pruned_names: Collection[str], pruned_paths: Collection[str]) -> list[bytes]:
    """A record for each entry, in no order.

    `d PATH` for a folder; for all else type, size, times, inode, device and path. Links are told as
    themselves. What cannot be listed, or goes meanwhile, is not there.

    Args:
        folder: Absolute.
        pruned_names: Folders of these names are told, and not looked into.
        pruned_paths: So are these.

    Raises:
        LockError: There is no GNU find.
    """
    beneath = [path for path in pruned_paths if path.startswith(f"{folder}/")]
    is_pruned = _pruned(pruned_names, beneath)
    inner = [path for path in _folders(folder) if path not in beneath and _name(path) not in pruned_names]
    parts = [part for start in range(_PARTS) if (part := inner[start::_PARTS])]
    looks = [([folder], ["-maxdepth", "1"]), *((part, list[str]()) for part in parts)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = pool.map(lambda look: _find(look[0], [*look[1], *is_pruned]), looks)
        return [record for output in found for record in output.split(b"\0")[:-1]]


def path_of(record: bytes) -> str:
    """The path of an entry that is no folder."""
    return os.fsdecode(record.split(b" ", 6)[6])


def _find(places: Sequence[str], tests: Iterable[str]) -> bytes:
    command = [_program(), "-H", *places, "-mindepth", "1", *tests]
    done = subprocess.run(command, capture_output=True, env={"LC_ALL": "C"})
    # With 1 it could not look into something.
    if done.returncode not in (0, 1):
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise LockError(f"`find` ended with {done.returncode}: {said or 'it said nothing'}", "Try again.")
    return done.stdout


def _pruned(names: Collection[str], paths: Collection[str]) -> list[str]:
    """Find's expression: print everything, and go into no folder of these names or paths."""
    tests = [test for name in names for test in ("-o", "-name", name)]
    tests += [test for path in paths for test in ("-o", "-path", _literal(path))]
    prune = ["(", *tests[1:], ")", "-prune", "-printf", _SHOWN_FOLDER, "-o"] if tests else []
    return [
        "-type",
        "d",
        "(",
        *prune,
        "-printf",
        _SHOWN_FOLDER,
        ")",
        "-o",
        "-not",
        "-type",
        "d",
        "-printf",
        _ENTRY,
    ]


def _literal(path: str) -> str:
    return "".join(f"\\{character}" if character in "*?[\\" else character for character in path)


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _name(path: str) -> str:
    return path.rpartition("/")[2]


@cache
def _program() -> str:
    found = shutil.which("find")
    if found is not None:
        said = subprocess.run([found, "--version"], capture_output=True, env={"LC_ALL": "C"})
        if b"GNU findutils" in said.stdout:
            return found
    raise LockError(
        "GNU find, which lists the files of the environment that is locked, is not there.",
        "Install the package findutils.",
    )
