"""What a program may do with each path of its workspace, as mounts.

A path that is less than writable inside a writable folder is safe only if no folder above it can be moved
away. A folder that something is mounted on cannot be moved: so every folder in between is mounted on itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from .folders import TooDeep, anchor, own_all
from .grown import Grown, identity
from .replacing import with_folders
from .request import Broken, Refused

ROOT = "."


class Place(NamedTuple):
    """One mount of the workspace.

    Attributes:
        path: Relative to the workspace.
        mode: `rw`, `ro` or `hidden`.
        fd: O_PATH descriptor of what is there on the host.
        protected: It is less than writable inside a writable folder.
    """

    path: str
    mode: str
    fd: int
    protected: bool


def plan(rules: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """(path, mode, protected) of each mount that the rules need, outer ones first.

    Args:
        rules: Path -> `rw`, `ro` or `hidden`; the longest match holds, and `ro` where there is none.
    """
    modes = {ROOT: "ro", **rules}
    found = {ROOT: (modes[ROOT], False)}
    for path, mode in rules.items():
        folders = _above(path)
        around = _mode(folders[0], modes) if folders else mode
        if mode == around:
            continue
        found[path] = (mode, around == "rw")
        for folder in folders:
            if _mode(folder, modes) != "rw":
                break
            found.setdefault(folder, ("rw", False))
    return [(path, *found[path]) for path in sorted(found, key=_parts)]


def writable_roots(rules: Mapping[str, str]) -> list[str]:
    """The writable paths that lie in no other writable path."""
    writable = {path for path, mode in rules.items() if mode == "rw"}
    return sorted(path for path in writable if not any(other in writable for other in _above(path)))


def open_places(workspace: int, rules: Mapping[str, str]) -> list[Place]:
    """Open what the rules name, and the folders in which it may be replaced, none of it through a link.

    Args:
        workspace: Open folder.
        rules: Path -> mode.

    Raises:
        Refused: A path is missing or a link.
    """
    for path in rules:
        os.close(_open(workspace, path, rules[path]))
    return [
        Place(path, mode, _open(workspace, path, mode), protected)
        for path, mode, protected in plan(with_folders(workspace, rules))
    ]


def open_grown(places: list[Place]) -> Grown:
    """Open what a program may write to; the caller closes it."""
    modes = {place.path: place.mode for place in places}
    fds = [
        os.open(f"/proc/self/fd/{place.fd}", os.O_RDONLY)
        for place in places
        if place.mode == "rw" and (place.path == ROOT or _mode(_above(place.path)[0], modes) != "rw")
    ]
    return Grown(fds, frozenset(identity(place.fd) for place in places if place.mode != "rw"))


def prepare(places: list[Place], uid: int | None) -> None:
    """Give what is writable to the sandbox's user, and see that no change can leave it.

    Args:
        places: All of the workspace.
        uid: The user; None for the present one.

    Raises:
        Refused: A hard link would carry a change out, or show what is hidden.
    """
    kept = {identity(place.fd) for place in places if place.mode != "rw"}
    for place in places:
        status = os.fstat(place.fd)
        kept_file = (place.protected or place.mode == "hidden") and stat.S_ISREG(status.st_mode)
        if kept_file and status.st_nlink > 1:
            raise Refused(
                f"{place.mode} file {place.path} has {status.st_nlink} hard links: another name may reach it",
                "Give the workspace copies.",
            )
        if place.mode == "rw":
            try:
                own_all(place.fd, uid, kept)
            except TooDeep:
                raise Refused(f"writable path {place.path} nests too deep") from None


def require_unmoved(workspace: int, places: list[Place]) -> None:
    """See that what was protected in writable folders is still where it was.

    Raises:
        Broken: It is not: somebody outside moved it, or the program did.
    """
    for place in places:
        if place.protected:
            try:
                fd = anchor(workspace, place.path)
            except OSError:
                found = None
            else:
                found = identity(fd)
                os.close(fd)
            if found != identity(place.fd):
                raise Broken(f"{place.path}, which is {place.mode}, was replaced while the job ran")


def _open(workspace: int, path: str, mode: str) -> int:
    try:
        fd = anchor(workspace, path)
    except OSError as error:
        reason = error.strerror or error
        raise Refused(
            f"{'writable' if mode == 'rw' else mode} path {path} cannot be opened: {reason}",
            "A rule is for a file or folder that exists in the workspace, and not reached through a link.",
        ) from None
    if not (stat.S_ISDIR(os.fstat(fd).st_mode) or stat.S_ISREG(os.fstat(fd).st_mode)):
        os.close(fd)
        raise Refused(f"{path} is neither a file nor a folder")
    return fd


def _parts(path: str) -> tuple[str, ...]:
    return () if path == ROOT else tuple(path.split("/"))


def _above(path: str) -> list[str]:
    """The folders that a path lies in, nearest first."""
    if path == ROOT:
        return []
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)] + [ROOT]


def _mode(path: str, modes: Mapping[str, str]) -> str:
    return modes[next(place for place in (path, *_above(path)) if place in modes)]
