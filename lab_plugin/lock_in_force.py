"""The lock in force: the one of the ledger, proved to be what is found now."""

from __future__ import annotations

from typing import NamedTuple

from lab_plugin.errors import LockError
from lab_plugin.expected_lock import require_expected
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.ledger import LockRecord
from lab_plugin.scorer import FILE_NAME, Lock, read_lock


class LockInForce(NamedTuple):
    """The lock in force.

    Attributes:
        record: Its record in the ledger.
        lock: What `lab.lock` holds.
    """

    record: LockRecord
    lock: Lock


def require_lock(lab: Lab) -> LockInForce:
    """The lock in force, proved to be what is found now.

    Raises:
        LockError: There is none, it is not the one of `[lock]`, `lab.lock` and the ledger disagree, or
            something changed since.
        ConfigError: `[lock]` is in a block that was never looked up here.
    """
    record = lab.ledger.state().lock
    if record is None:
        raise not_locked(lab)
    require_own(lab, record)
    lab.require_settings("lock")
    require_expected(lab.deciding.config, record)
    if not (lab.config.folder / FILE_NAME).exists():
        raise LockError(
            f"{FILE_NAME} is missing in {lab.config.folder}; by the ledger the lab is locked.",
            f"Run `lab lock`: it writes {FILE_NAME} again. Committed, it is in every clone.",
        )
    lock = read_lock(lab.config.folder / FILE_NAME)
    if lock.digest != record.digest:
        raise LockError(
            f"{FILE_NAME} (epoch {lock.epoch}) is not the lock of the ledger (epoch {record.epoch}).",
            f"Run `lab lock`: it writes {FILE_NAME} again, or says what changed since the ledger's lock.",
        )
    if lock.noise != {name: noise.model_dump(mode="json") for name, noise in record.noise.items()}:
        raise LockError(
            f"{FILE_NAME} was edited by hand: its noise is not that of the ledger.",
            f"Run `lab lock`: it writes {FILE_NAME} again.",
        )
    lab.require_terms(lock)
    return LockInForce(record, lock)


def require_own(lab: Lab, record: LockRecord) -> None:
    """See that a lock is this lab's, and not that of one with the same name in another folder.

    Raises:
        LockError: It is of another folder.
    """
    if record.directory != lab.directory:
        raise LockError(
            f"By its ledger, the lab {lab.name} of this repository lies in the folder "
            f"{record.directory!r}; this one lies in {lab.directory!r}.",
            "Give this lab another [lab] name. If it was moved, commit that, and run "
            "`lab lock --baseline HEAD --reason 'moved'`.",
        )
