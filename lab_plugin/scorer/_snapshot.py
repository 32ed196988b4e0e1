"""The scorer's snapshot: a git tree, written out once to a folder that no sandbox may write.

The store holds one folder per tree, named by its object id. A snapshot in use is locked (`flock`, shared) by
its user for as long as that process lives, so that `lab clean` leaves it alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.errors import LockError
from lab_plugin.repository import Blob, Repository
from lab_plugin.scorer._measure import FileHasher


def store_snapshot(repository: Repository, folder: Path, files: Mapping[str, str]) -> str:
    """Put the scorer's files into git's object store.

    Args:
        repository: Where to.
        folder: The lab's folder, which the paths are relative to.
        files: Path -> `<mode>:<sha256>`, as measured; the bytes read must still have that hash.

    Returns:
        The tree's object id.

    Raises:
        LockError: A file changed while it was read.
    """
    blobs: dict[str, Blob] = {}
    for path, measured in files.items():
        data = (folder / path).read_bytes()
        mode, expected = measured.split(":")
        if FileHasher.digest(data) != expected:
            raise LockError(f"The scorer file {path} changed while it was read.", "Run `lab lock` again.")
        blobs[path] = Blob(data=data, mode=int(mode, 8))
    return repository.write_tree(blobs)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot on disk, in use by this process until it is closed.

    Attributes:
        folder: Its files; read-only.
        files: What it must hold, path -> `<mode>:<sha256>`.
    """

    folder: Path
    files: Mapping[str, str]
    _lock: int
    _hasher: FileHasher

    def require_intact(self) -> None:
        """Prove that it is what was locked, by the stat of every file; called before each use.

        Raises:
            LockError: It is not; it is gone then, and made again from git by the next command.
        """
        if _listing(self.folder) == sorted(self.files):
            with contextlib.suppress(LockError):
                if self._hasher.measure(self.folder, self.files) == dict(self.files):
                    return
        shutil.rmtree(self.folder, ignore_errors=True)
        raise LockError(
            "The scorer's snapshot is not what the lock says.",
            "Something wrote to the lab's state folder. Run the command again; if it stays so, "
            "`lab lock --reason 'snapshot lost'`.",
        )

    def close(self) -> None:
        """Let `lab clean` remove it."""
        os.close(self._lock)


def materialise_snapshot(
    repository: Repository, tree: str, files: Mapping[str, str], snapshots: Path, hasher: FileHasher
) -> Snapshot:
    """Write a snapshot out, or find it written, and prove that it is what was locked.

    Args:
        repository: Where the tree is.
        tree: From the lock's ledger record.
        files: The lock's `<mode>:<sha256>` per path.
        snapshots: Folder that holds one folder per tree.
        hasher: Remembers what it has hashed, so that proving it again is cheap.

    Raises:
        LockError: The tree does not hold exactly the locked files.
    """
    target = snapshots / tree
    while (lock := _hold(target)) is None:
        _write(repository, tree, target)
    snapshot = Snapshot(target, dict(files), lock, hasher)
    try:
        snapshot.require_intact()
    except LockError:
        snapshot.close()
        raise
    return snapshot


def remove_unused(snapshots: Path) -> int:
    """Remove the snapshots that no process uses; returns the bytes that they took."""
    freed = 0
    for folder in snapshots.glob("*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
            shutil.rmtree(folder, ignore_errors=True)
            freed += size
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
    return freed


def _hold(target: Path) -> int | None:
    """A shared lock on a snapshot's folder; None when there is none."""
    while True:
        try:
            lock = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return None
        fcntl.flock(lock, fcntl.LOCK_SH)
        # Whoever removed it held the lock until it was gone.
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(lock), os.lstat(target)):
                return lock
        os.close(lock)


def _listing(folder: Path) -> list[str]:
    """Every path beneath a folder that is no folder; a link to one is no folder."""
    return sorted(_entries(folder, ""))


def _entries(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(folder / entry.name, f"{path}/")
            else:
                yield path


def _write(repository: Repository, tree: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if any(part in ("", ".", "..") for path in repository.entries(tree) for part in path.split("/")):
            raise LockError(
                f"The scorer's tree {tree} holds a name that leads out of it.", "Run `lab verify`."
            )
        for path, entry in repository.entries(tree).items():
            file = partial / path
            _make_folder(file.parent, partial)
            file.write_bytes(repository.read_blob(entry.oid))
            file.chmod(0o555 if entry.mode & 0o100 else 0o444)
        partial.chmod(0o755)
        os.rename(partial, target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        # Nothing of it is left where it was renamed.
        shutil.rmtree(partial, ignore_errors=True)
        os.close(lock)


def _make_folder(folder: Path, above: Path) -> None:
    """Make a folder that the sandbox's other user can read, whatever the umask."""
    if folder == above or folder.is_dir():
        return
    _make_folder(folder.parent, above)
    folder.mkdir()
    folder.chmod(0o755)
