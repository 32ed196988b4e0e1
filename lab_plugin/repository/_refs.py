"""Refs move in one transaction or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.errors import RefConflict, RepositoryError
from lab_plugin.repository._git import Git, Result, failure

NOBODY = "0" * 40
OWN = ("refs/lab/", "refs/heads/lab/")
# Longer than a lock counts as a living one: what a killed git left is removed while somebody waits for it.
_LOCK_SECONDS = 60.0
_STALE_SECONDS = 30.0
_OID = re.compile(r"[0-9a-f]{40}")
_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|/$|\.$")
_LOCKED = re.compile(r"Unable to create '(.+\.lock)': File exists", re.DOTALL)
_MOVED = re.compile(
    r"is at [0-9a-f]{40} but expected|reference already exists"
    r"|is missing but expected|unable to resolve reference"
)


@dataclass(frozen=True)
class RefChange:
    """One ref of a transaction.

    Attributes:
        ref: Full name, `refs/...`.
        new: Object id to move to; None deletes.
        old: Object id that must be there now; "" when the ref must not exist; None for any.
            `new == old` only checks.
    """

    ref: str
    new: str | None
    old: str | None = None

    def __post_init__(self) -> None:
        if not self.ref.startswith("refs/") or _BAD.search(self.ref):
            raise RepositoryError(
                f"{self.ref!r} is not a valid ref name.", "`git help check-ref-format` says which names are."
            )
        for oid in (self.new, self.old):
            if oid and not _OID.fullmatch(oid):
                raise RepositoryError(f"{oid!r} is not an object id.")
        if self.new == "":
            raise RepositoryError(f"{self.ref} cannot move to nothing.")

    def line(self) -> bytes:
        """The command for `git update-ref --stdin -z`."""
        old = "" if self.old is None else self.old or NOBODY
        if self.new is not None and self.new == self.old:
            text = f"verify {self.ref}\0{old}\0"
        elif self.new is None and self.old == "":
            text = f"verify {self.ref}\0{NOBODY}\0"
        elif self.new is None:
            text = f"delete {self.ref}\0{old}\0"
        else:
            text = f"update {self.ref}\0{self.new}\0{old}\0"
        return os.fsencode(text)


def transact(git: Git, changes: Sequence[RefChange], *, beyond_lab: bool) -> None:
    """Apply all changes, or none.

    git moves the refs in the given order once everything is checked and locked. Put the ref that decides
    first: should the machine stop between two moves, the others can be derived from it.

    Raises:
        RefConflict: A ref was not what was expected; none moved.
        RepositoryError: A ref outside `OWN` without `beyond_lab`, or git failed; none moved.
    """
    for change in changes:
        if not (beyond_lab or change.ref.startswith(OWN)):
            raise RepositoryError(f"{change.ref} is not a ref of a lab, and is never moved.")
    stdin = b"".join((b"start\0", *(change.line() for change in changes), b"prepare\0commit\0"))
    deadline = time.monotonic() + _LOCK_SECONDS
    pause = 0.01
    while True:
        result = git.attempt("update-ref", "--no-deref", "--stdin", "-z", stdin=stdin)
        if result.status == 0 and b"commit: ok" in result.stdout:
            return
        locked = _LOCKED.search(result.stderr)
        if locked is None or time.monotonic() > deadline:
            raise _refusal(git, changes, result, locked)
        if not _remove_stale(git, Path(locked[1])):
            time.sleep(pause)
            pause = min(pause * 2, 0.3)


def read(git: Git, prefix: str) -> dict[str, str]:
    """All refs whose full name begins with `prefix` (a whole name, or a folder of refs)."""
    pattern = prefix.rstrip("/")
    output = git.run("for-each-ref", "--format=%(objectname) %(refname)", pattern)
    pairs = (line.split(" ", 1) for line in os.fsdecode(output).splitlines())
    return {ref: oid for oid, ref in pairs}


def _refusal(
    git: Git, changes: Sequence[RefChange], result: Result, locked: re.Match[str] | None
) -> RepositoryError:
    if locked is not None:
        return RepositoryError(
            f"A ref is locked by another git process: {locked[1]}.",
            "Wait for that process; if there is none, remove the file.",
        )
    if "cannot create" in result.stderr and "exists" in result.stderr:
        return RepositoryError(
            f"A ref is in the way: {result.stderr.strip()}",
            "A branch called `lab` hides the folder of the lab's branches: rename it (git branch -m).",
        )
    if _MOVED.search(result.stderr):
        names = ", ".join(change.ref for change in changes)
        return RefConflict(f"A ref was moved by another process; nothing was written ({names}).")
    return failure("git update-ref", git.git_dir, result)


def _remove_stale(git: Git, lock: Path) -> bool:
    """Remove a lock on a ref of the lab that a killed git left; its transactions take milliseconds."""
    try:
        name = lock.relative_to(git.common_dir).as_posix()
        if not name.startswith(OWN) or time.time() - lock.stat().st_mtime < _STALE_SECONDS:
            return False
        lock.unlink()
    except (OSError, ValueError):
        return False
    return True
