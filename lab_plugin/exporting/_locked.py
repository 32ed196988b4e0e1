"""A lab as its ledger has it: with the `lab.toml` of its newest lock, whatever the working tree holds."""

from __future__ import annotations

from lab_plugin import config as configuration
from lab_plugin.config import LAB_FILE
from lab_plugin.epoch import config_of
from lab_plugin.errors import LedgerError, LockError
from lab_plugin.home import Home
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.ledger import Ledger, LockRecord
from lab_plugin.repository import Repository

_LARGEST = 4 << 20


def lab_as_locked(repository: Repository, name: str, home: Home) -> Lab:
    """Open a lab from its ledger alone.

    Args:
        repository: With its ledger.
        name: The lab's.
        home: For its state.

    Raises:
        LockError: Its ledger has no lock.
        LedgerError: The lock is not one of this lab, or of a folder outside the repository.
        ConfigError: Its `lab.toml` is of a version that this program does not read.
    """
    lock = Ledger(repository, name).state().lock
    if lock is None:
        raise LockError(f"The ledger of the lab {name} has no lock.", "Run `lab lock`.")
    text = repository.read_file(lock.tree, LAB_FILE, _LARGEST).decode("utf-8", "replace")
    source = (repository.top / lock.directory / LAB_FILE).resolve()
    if not source.is_relative_to(repository.top.resolve()):
        raise LedgerError(f"The lock names a folder outside its repository: {lock.directory!r}.")
    config = configuration.parse(text, str(source))
    if config.lab.name != name:
        raise LedgerError(f"The lock in the ledger of the lab {name} is of a lab {config.lab.name}.")
    # Its own file names the blocks, and the lock holds what they said.
    return Lab(config_of(Lab(config, repository, home), lock), repository, home)


def newest_lock(lab: Lab) -> LockRecord:
    """The lock in force by the ledger.

    Raises:
        LockError: There is none.
    """
    lock = lab.ledger.state().lock
    if lock is None:
        raise not_locked(lab)
    return lock
