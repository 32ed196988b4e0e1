"""What `lab.toml` says of files, held against the disk and against a commit."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from lab_plugin.config._checks import LAB_FILE
from lab_plugin.config._models import Config
from lab_plugin.config._paths import within
from lab_plugin.config._patterns import is_scorer_file, scorer_files
from lab_plugin.errors import ConfigError
from lab_plugin.toml import Place

_SYMLINK = 0o120000
_SUBMODULE = 0o160000
_REMEDY = "Correct lab.toml or the files, and commit them."


class _HasMode(Protocol):
    @property
    def mode(self) -> int: ...


def check_committed(config: Config, entries: Mapping[str, _HasMode], directory: str = ".") -> None:
    """Check that the files which a `lab.toml` names are committed and are what they must be.

    The scorer, the instructions and the data are looked at on disk.

    Args:
        config: The lab's configuration.
        entries: Path to what has git's mode (`0o120000` for a link) of all files, links and submodules of
            the baseline's tree.
        directory: The lab's folder relative to that tree, "." for its root.

    Raises:
        ConfigError: Something is missing, not committed, a link, or no plain file; all faults are listed.
    """
    prefix = "" if directory == "." else f"{directory}/"
    committed = {
        path.removeprefix(prefix): entry.mode for path, entry in entries.items() if path.startswith(prefix)
    }
    faults = [
        *_links_above(directory, entries),
        *_candidate_faults(config, committed),
        *_holdout_faults(config),
    ]
    for tier in config.tiers:
        faults += [*_scorer_faults(tier.config, committed), *_other_faults(tier.config, committed)]
    if faults:
        headline = f"{config.source} and the files do not fit together."
        raise ConfigError(headline, _REMEDY, tuple(dict.fromkeys(faults)))


def _links_above(directory: str, entries: Mapping[str, _HasMode]) -> Iterator[str]:
    for folder in (directory, *(str(parent) for parent in PurePosixPath(directory).parents)):
        if folder in entries:
            yield f"{folder}: the lab's folder is no plain folder of the commit"


def _candidate_faults(config: Config, committed: Mapping[str, int]) -> Iterator[str]:
    for index, path in enumerate(config.candidate.paths):
        if reason := _uncommitted(config.folder, path, committed):
            yield config.fault(("candidate", "paths", index), f'candidate.paths: "{path}" {reason}')


def _uncommitted(folder: Path, path: str, committed: Mapping[str, int]) -> str:
    """Why a path of the commit cannot be edited; empty when it can."""
    parts = path.split("/")
    for length in range(1, len(parts) + 1):
        ancestor = "/".join(parts[:length])
        mode = committed.get(ancestor)
        if mode == _SYMLINK:
            return f"is or lies beneath a symbolic link, {ancestor}"
        if mode == _SUBMODULE:
            return f"is or lies in a submodule, {ancestor}"
        if mode is not None and length < len(parts):
            return f"lies beneath a file, {ancestor}"
    if path in committed or _has_beneath(path, committed):
        return ""
    if os.path.lexists(folder / path):
        return "is not committed; run git add and git commit"
    return "does not exist"


def _has_beneath(path: str, committed: Collection[str]) -> bool:
    return any(within(entry, path) for entry in committed)


def _scorer_faults(config: Config, committed: Mapping[str, int]) -> Iterator[str]:
    place: Place = ("scorer", "files")
    try:
        files = scorer_files(config.folder, config.scorer.files)
    except ConfigError as error:
        yield from (config.fault(place, f"scorer.files: {fault}") for fault in error.faults)
        return
    for index, pattern in enumerate(config.scorer.files):
        if not any(is_scorer_file(file, (pattern,)) for file in files):
            yield config.fault((*place, index), f'scorer.files: "{pattern}" matches no file')
    for path, mode in committed.items():
        if mode in (_SYMLINK, _SUBMODULE) and is_scorer_file(path, config.scorer.files):
            yield config.fault(place, f"scorer.files: {path} is committed as a link or submodule")


def _holdout_faults(config: Config) -> Iterator[str]:
    holdout = config.scorer.holdout
    if holdout is None:
        return
    place: Place = ("scorer", "holdout", "files")
    try:
        files = scorer_files(config.folder, holdout.files)
    except ConfigError as error:
        yield from (config.fault(place, f"scorer.holdout.files: {fault}") for fault in error.faults)
        return
    for index, pattern in enumerate(holdout.files):
        if not any(is_scorer_file(file, (pattern,)) for file in files):
            yield config.fault((*place, index), f'scorer.holdout.files: "{pattern}" matches no file')
    if holdout.data is not None and not _plain(config.folder, holdout.data, folders=True):
        message = f'scorer.holdout.data: "{holdout.data}" is no plain file or folder in the lab\'s folder'
        yield config.fault(("scorer", "holdout", "data"), message)


def _other_faults(config: Config, committed: Mapping[str, int]) -> Iterator[str]:
    space = config.search_space
    if space is not None and space.file not in committed:
        reason = _uncommitted(config.folder, space.file, committed) or "is a folder"
        yield config.fault(("search_space", "file"), f'search_space.file: "{space.file}" {reason}')
    instructions = config.lab.instructions
    if instructions is not None and not _plain(config.folder, instructions, folders=False):
        message = f'lab.instructions: "{instructions}" is no plain file in the lab\'s folder'
        yield config.fault(("lab", "instructions"), message)
    dockerfile = config.sandbox.dockerfile
    if dockerfile is not None and not _plain(config.folder, dockerfile, folders=False):
        message = f'sandbox.dockerfile: "{dockerfile}" is no plain file in the lab\'s folder'
        yield config.fault(("sandbox", "dockerfile"), message)
    data = config.candidate.data
    if data is not None and not _plain(config.folder, data, folders=True):
        message = f'candidate.data: "{data}" is no plain file or folder in the lab\'s folder'
        yield config.fault(("candidate", "data"), message)
    if committed.get(LAB_FILE) == _SYMLINK:
        yield config.fault((), f"{LAB_FILE} is committed as a symbolic link")


def _plain(folder: Path, path: str, *, folders: bool) -> bool:
    """Whether a path leads to a file (or a folder) without a link on the way."""
    current = folder
    for part in path.split("/"):
        current = current / part
        if current.is_symlink():
            return False
    return current.is_file() or (folders and current.is_dir())
