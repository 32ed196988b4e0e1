"""The scorer's snapshot: a git tree, written out once per epoch to a folder that no sandbox may write."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
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


def materialise_snapshot(
    repository: Repository, tree: str, files: Mapping[str, str], snapshots: Path, hasher: FileHasher
) -> Path:
    """Write a snapshot out, or find it written, and prove that it is what was locked.

    Args:
        repository: Where the tree is.
        tree: From the lock's ledger record.
        files: The lock's `<mode>:<sha256>` per path.
        snapshots: Folder that holds one folder per tree.
        hasher: Remembers what it has hashed, so that proving it again is cheap.

    Returns:
        The snapshot's folder.

    Raises:
        LockError: The tree does not hold exactly the locked files.
    """
    target = snapshots / tree
    if not target.is_dir():
        _write(repository, tree, target)
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir())
    if found != sorted(files) or hasher.measure(target, found) != dict(files):
        shutil.rmtree(target, ignore_errors=True)
        raise LockError(
            "The scorer's snapshot is not what the lock says.",
            "Run the command again; if it stays so, `lab lock --reason 'snapshot lost'`.",
        )
    return target


def _write(repository: Repository, tree: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        for path, entry in repository.entries(tree).items():
            file = partial / path
            _make_folder(file.parent, partial)
            file.write_bytes(repository.read_blob(entry.oid))
            file.chmod(0o555 if entry.mode & 0o100 else 0o444)
        partial.chmod(0o755)
        os.rename(partial, target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.is_dir():
            raise


def _make_folder(folder: Path, above: Path) -> None:
    """Make a folder that the sandbox's other user can read, whatever the umask."""
    if folder == above or folder.is_dir():
        return
    _make_folder(folder.parent, above)
    folder.mkdir()
    folder.chmod(0o755)
