"""`lab clean`: give back disk space; what cannot be made again from git is never removed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.lab import Lab
from lab_plugin.repository import Lease, RefChange
from lab_plugin.scorer import remove_unused
from lab_plugin.scratch import short_parent, sweep_scratch

_FOLDERS = ("trials", "proposals")


@dataclass(frozen=True)
class Cleaning:
    """What was given back.

    Attributes:
        bytes: Freed on disk.
        branches: Idea branches deleted.
    """

    bytes: int
    branches: int


def clean_lab(lab: Lab, ideas: bool = False) -> Cleaning:
    """Remove workspaces, snapshots and leftovers.

    Args:
        lab: The lab.
        ideas: Also delete the branches of ideas that were not kept, except where one is checked out. Their
            commits stay: each is a parent of its ledger record.

    Raises:
        LeaseHeld: A campaign runs.
    """
    with Lease.acquire(lab.repository, lab.lease_ref, "lab clean") as lease:
        freed = lab.pool.clean()
        for path in (lab.folder / name for name in _FOLDERS):
            freed += _size(path)
            shutil.rmtree(path, ignore_errors=True)
        # A running `lab verify` holds no lease.
        freed += remove_unused(lab.folder / "snapshots")
        for parent in (lab.folder, short_parent()):
            sweep_scratch(parent)
        return Cleaning(freed, _delete_branches(lab, lease) if ideas else 0)


def _delete_branches(lab: Lab, lease: Lease) -> int:
    there = lab.repository.refs(f"refs/heads/lab/{lab.name}/ideas/")
    in_use = lab.repository.checked_out_branches()
    changes = [
        RefChange(f"refs/heads/{record.branch}", None, record.commit)
        for record in lab.ledger.state().ideas.values()
        if record.verdict != "kept"
        and there.get(f"refs/heads/{record.branch}") == record.commit
        and record.branch not in in_use
    ]
    if changes:
        lab.repository.update_refs([lease.fence(), *changes])
    return len(changes)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
