"""Whether a lab has the lock that its `[lock]` asks for."""

from __future__ import annotations

from lab_plugin.config import Config
from lab_plugin.errors import LockError
from lab_plugin.ledger import LockRecord


def unexpected(config: Config, record: LockRecord) -> str:
    """What is to be said of a lock that is not the one of `[lock]`; "" where it is, or none is asked for.

    Args:
        config: The lab's.
        record: The lock.
    """
    expected = config.lock
    if expected.digest in (None, record.digest) and expected.epoch in (None, record.epoch):
        return ""
    epoch = f"epoch {expected.epoch}, " if expected.epoch is not None else ""
    return (
        f"The lab must have the lock {expected.digest} ({epoch}by {_source(config)} of {config.source}), "
        f"and has {record.digest} (epoch {record.epoch})."
    )


def require_expected(config: Config, record: LockRecord) -> None:
    """See that a lock is the one that `[lock]` asks for.

    Raises:
        LockError: It is another one.
    """
    if told := unexpected(config, record):
        raise LockError(
            told,
            "Undo what changed the scorer, fetch the ledger with that lock, or put this one into "
            f"{_source(config)}.",
        )


def _source(config: Config) -> str:
    names = config.block_names("lock")
    return f"the block {names[0]}" if names else "[lock]"
