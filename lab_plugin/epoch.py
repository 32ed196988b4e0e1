"""All that an epoch needs to score again, kept in git with its lock record.

The record's tree holds `lab.toml` and `lab.lock` as they were, what Prefect blocks said of its sandboxes,
and the scorer's files under `snapshot/`, so that an idea can be scored again from the repository alone, also
after the lab was locked anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from lab_plugin import config as configuration
from lab_plugin.config import Config
from lab_plugin.details import FOLDER
from lab_plugin.errors import LedgerError, LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord
from lab_plugin.repository import Blob
from lab_plugin.scorer import FILE_NAME, VERSION, Lock, Terms

_SNAPSHOT = "snapshot"
_HOLDOUT = "holdout"
_CONFIG = "lab.toml"
_BLOCKS = "blocks.json"


@dataclass(frozen=True)
class Epoch:
    """An epoch as it was locked.

    Attributes:
        config: Its `lab.toml`.
        lock: Its `lab.lock`.
        snapshot: Tree of the scorer's files.
        holdout: Tree of what a sealed scoring sees; "" without a hold-out.
    """

    config: Config
    lock: Lock
    snapshot: str
    holdout: str = ""


def lock_of(record: LockRecord, terms: Terms) -> Lock:
    """The content of `lab.lock` for a lock record."""
    return Lock(
        version=VERSION,
        lab=record.lab,
        epoch=record.epoch,
        reason=record.reason,
        digest=record.digest,
        commit=record.commit,
        value=record.value,
        terms=terms,
        noise={name: noise.model_dump(mode="json") for name, noise in record.noise.items()},
        detectable=record.detectable,
    )


def store_epoch(
    lab: Lab, record: LockRecord, terms: Terms, snapshot: str, details: str = "", holdout: str = ""
) -> str:
    """Write an epoch's tree into git's object store.

    Args:
        lab: The lab.
        record: Without its tree.
        terms: What is locked.
        snapshot: Tree of the scorer's files.
        details: Tree of what the scoring said; "" for none.
        holdout: Tree of what a sealed scoring sees; "" for none.

    Returns:
        The tree's object id.

    Raises:
        LockError: `lab.toml` changed since it was read.
    """
    source = lab.config.source.read_bytes()
    blocks = lab.config.blocks
    if configuration.parse(source.decode(), str(lab.config.source), blocks).scoring_rules() != terms.rules:
        raise LockError(f"{lab.config.source} changed while it was locked.", "Run `lab lock` again.")
    trees = {_SNAPSHOT: snapshot, **({_HOLDOUT: holdout} if holdout else {})}
    files = {
        str(PurePosixPath(folder, path)): Blob(oid=entry.oid, mode=entry.mode)
        for folder, tree in trees.items()
        for path, entry in lab.repository.entries(tree).items()
    }
    for path, entry in lab.repository.entries(details).items() if details else ():
        files[str(PurePosixPath(FOLDER, path))] = Blob(oid=entry.oid)
    files[_CONFIG] = Blob(data=source)
    files[FILE_NAME] = Blob(data=lock_of(record, terms).to_bytes())
    # Where a lab is mirrored makes no score, and is nobody's business who reads its ledger.
    if kept := {name: blocks[name] for name in lab.config.block_names("sandbox")}:
        files[_BLOCKS] = Blob(data=(json.dumps(kept, indent=2, sort_keys=True) + "\n").encode())
    return lab.repository.write_tree(files)


def snapshot_of(lab: Lab, record: LockRecord) -> str:
    """Tree of the scorer's files of an epoch.

    Raises:
        LedgerError: The record's tree has none.
    """
    snapshot = lab.repository.subtree(record.tree, _SNAPSHOT)
    if snapshot is None:
        raise LedgerError(f"The lock record of epoch {record.epoch} holds no scorer.", "Run `lab verify`.")
    return snapshot


def holdout_of(lab: Lab, record: LockRecord) -> str:
    """Tree of what a sealed scoring of an epoch sees; "" without a hold-out."""
    return lab.repository.subtree(record.tree, _HOLDOUT) or ""


def load_lock(lab: Lab, record: LockRecord) -> Lock:
    """Read an epoch's `lab.lock` back from git.

    Raises:
        LedgerError: It is damaged.
    """
    try:
        lock = Lock.model_validate_json(lab.repository.read_file(record.tree, FILE_NAME))
    except ValidationError as error:
        raise LedgerError(f"The lock of epoch {record.epoch} cannot be read: {error}.") from error
    if lock.terms.digest() != record.digest:
        raise LedgerError(f"The lock of epoch {record.epoch} has another digest than its record.")
    return lock


def load_epoch(lab: Lab, record: LockRecord) -> Epoch:
    """Read an epoch back from git.

    Raises:
        LedgerError: It is damaged.
        ConfigError: Its `lab.toml` is of a version that this program does not read.
    """
    return Epoch(
        config_of(lab, record), load_lock(lab, record), snapshot_of(lab, record), holdout_of(lab, record)
    )


def config_of(lab: Lab, record: LockRecord) -> Config:
    """Read an epoch's `lab.toml` back from git, with what its blocks said then.

    Raises:
        RepositoryError: It is not there.
        LedgerError: It is damaged.
        ConfigError: It is of a version that this program does not read.
    """
    read = lab.repository.read_file
    try:
        text = read(record.tree, _CONFIG).decode()
        kept = json.loads(read(record.tree, _BLOCKS)) if _BLOCKS in lab.repository.folder(record.tree) else {}
        if not all(isinstance(settings, dict) for settings in kept.values()):
            raise ValueError(f"{_BLOCKS} does not hold settings of blocks")
    except (ValueError, AttributeError, RecursionError) as error:
        raise LedgerError(f"The {_CONFIG} of epoch {record.epoch} cannot be read: {error}.") from error
    return configuration.parse(text, str(lab.config.source), kept)
