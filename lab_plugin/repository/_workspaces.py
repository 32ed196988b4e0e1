"""Workspaces: plain folders without `.git`, pooled, each holding one tree without the hidden files."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab_plugin.errors import RepositoryError
from lab_plugin.repository._checkout import Checkout, discard
from lab_plugin.repository._objects import EMPTY_TREE
from lab_plugin.repository._repository import Repository

_SLOTS = 1024
_NAME = re.compile(r"(?:pool|private)-\d+")


@dataclass(frozen=True)
class Workspace:
    """A folder that holds one tree, used by one user at a time.

    Attributes:
        path: The folder.
        tree: What it holds, hidden files left out.
    """

    path: Path
    tree: str
    _slot: str = field(repr=False)
    _lock: int = field(repr=False)


class WorkspacePool:
    """Workspaces of one lab below one folder.

    Slots are shared between processes (each in use is locked by `flock`, which a kill lets go) and
    numbered, so that their count never grows beyond what was in use at once. What a slot holds is
    trusted only where this very pool wrote it last; otherwise the slot is written anew.

    Safe for several threads.
    """

    def __init__(self, repository: Repository, folder: Path, hidden: Callable[[str], bool]) -> None:
        self._repository = repository
        self._folder = folder
        self._hidden = hidden
        self._known: dict[str, tuple[str, str]] = {}
        self._mutex = threading.Lock()

    def acquire(self, tree: str) -> Workspace:
        """Take a pooled workspace and turn it into a tree; its files have no write bit.

        Whoever runs a program that can write to it says so by `release(..., tainted=True)`.

        Raises:
            RepositoryError: The tree has links that may leave it or names that git refuses, or the disk
                refuses.
        """
        return self._take("pool", tree, writable=False)

    def release(self, workspace: Workspace, *, tainted: bool = False) -> None:
        """Give a pooled workspace back.

        Args:
            workspace: As it came from `acquire`.
            tainted: Something else may have written to it; it is written anew for its next user.
        """
        if tainted:
            with self._mutex:
                self._known.pop(workspace._slot, None)
        os.close(workspace._lock)

    @contextmanager
    def use(self, tree: str) -> Iterator[Workspace]:
        """A pooled workspace for the length of a block."""
        workspace = self.acquire(tree)
        try:
            yield workspace
        finally:
            self.release(workspace)

    @contextmanager
    def private(self, tree: str) -> Iterator[Workspace]:
        """A fresh writable workspace that is removed after the block."""
        workspace = self._take("private", tree, writable=True)
        try:
            yield workspace
        finally:
            try:
                discard(workspace.path.parent)
            finally:
                os.close(workspace._lock)

    def clean(self) -> int:
        """Remove every workspace that nobody uses, also those of dead processes.

        Returns:
            Bytes on disk that were freed.
        """
        freed = 0
        for slot in sorted(os.listdir(self._folder)) if self._folder.is_dir() else ():
            if not _NAME.fullmatch(slot) or (lock := self._try_lock(slot)) is None:
                continue
            try:
                with self._mutex:
                    self._known.pop(slot, None)
                freed += _disk_usage(self._folder / slot)
                discard(self._folder / slot)
            finally:
                os.close(lock)
        return freed

    def orphans(self) -> list[Path]:
        """Private workspaces that a dead process left; pooled ones are there for the next user."""
        found = []
        for slot in sorted(os.listdir(self._folder)) if self._folder.is_dir() else ():
            if not slot.startswith("private-") or not _NAME.fullmatch(slot):
                continue
            if (lock := self._try_lock(slot)) is not None:
                os.close(lock)
                found.append(self._folder / slot)
        return found

    def _take(self, kind: str, tree: str, *, writable: bool) -> Workspace:
        slot, lock = self._free_slot(kind)
        try:
            checkout = Checkout(self._repository, self._hidden, writable)
            if not self._holds(slot, tree, checkout):
                self._write_anew(slot, tree, checkout)
            return Workspace(self._folder / slot / "work", tree, slot, lock)
        except BaseException:
            os.close(lock)
            raise

    def _holds(self, slot: str, tree: str, checkout: Checkout) -> bool:
        """Make a slot that is known to hold some tree hold this one; False when it must be written anew."""
        before = self._held(slot)
        if before is None or before == tree:
            return before == tree
        self._mark(slot, None)
        try:
            checkout.switch(self._folder / slot / "work", before, tree)
        except RepositoryError:
            return False
        self._mark(slot, tree)
        return True

    def _write_anew(self, slot: str, tree: str, checkout: Checkout) -> None:
        work = self._folder / slot / "work"
        discard(work.parent)
        work.mkdir(parents=True)
        work.chmod(0o755)
        checkout.switch(work, EMPTY_TREE, tree)
        self._mark(slot, tree)

    def _free_slot(self, kind: str) -> tuple[str, int]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for number in range(_SLOTS):
                slot = f"{kind}-{number}"
                if (lock := self._try_lock(slot)) is not None:
                    return slot, lock
        except OSError as error:
            raise RepositoryError(
                f"The workspaces below {self._folder} cannot be used: {error.strerror}.",
                "Check free space and permissions of the lab's state folder.",
            ) from error
        raise RepositoryError(f"All {_SLOTS} workspaces below {self._folder} are in use.")

    def _try_lock(self, slot: str) -> int | None:
        lock = os.open(self._folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _held(self, slot: str) -> str | None:
        """What a slot holds for sure; None when somebody else, or a process that died, wrote to it."""
        with self._mutex:
            known = self._known.get(slot)
        if known is None:
            return None
        try:
            written = (self._folder / slot / "holds").read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return known[0] if written == known[1] else None

    def _mark(self, slot: str, tree: str | None) -> None:
        note = self._folder / slot / "holds"
        if tree is None:
            note.unlink(missing_ok=True)
            return
        # The token tells this pool's own writing from that of any other process.
        text = f"{tree} {os.urandom(16).hex()}\n"
        note.write_text(text, "ascii")
        with self._mutex:
            self._known[slot] = (tree, text)


def _disk_usage(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue
    return total
