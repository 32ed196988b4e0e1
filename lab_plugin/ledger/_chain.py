"""The ledger's commits, read from git without believing any of them."""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.errors import LedgerError, RepositoryError
from lab_plugin.ledger._codec import canonical, decode, line_of, read
from lab_plugin.ledger._records import Record
from lab_plugin.repository import Commit, Repository


@dataclass(frozen=True)
class Entry:
    """One record and the ledger commit that holds it."""

    commit: str
    record: Record


@dataclass(frozen=True)
class Problem:
    """Something in a ledger that is not as it should be.

    Attributes:
        commit: The ledger commit; "" when it concerns the whole.
        what: What is wrong.
        remedy: What to do.
    """

    commit: str
    what: str
    remedy: str

    def __str__(self) -> str:
        where = f"ledger commit {self.commit[:12]}: " if self.commit else ""
        return f"{where}{self.what}"


def record_of(commit: Commit, *, strict: bool = False) -> Record:
    """The record that a ledger commit holds.

    Args:
        commit: The ledger commit.
        strict: Also prove that its text is the canonical one.

    Raises:
        ValueError: It holds none; the message says why.
    """
    return (decode if strict else read)(line_of(commit.message))


def read_chain(repository: Repository, lab: str, head: str, stop: str | None) -> list[Commit]:
    """The ledger's commits from after `stop` to `head`, oldest first.

    Raises:
        LedgerError: A commit is missing, so that what is before it cannot be reached.
    """
    try:
        return repository.first_parents(head, stop)[::-1]
    except RepositoryError as error:
        raise LedgerError(
            f"The ledger of the lab {lab} cannot be read back from {head}: {error.message}",
            f"Fetch refs/lab/{lab}/ledger from a clone that has it, or look at `git fsck`.",
        ) from error


def genesis_message(lab: str) -> str:
    """The message of the first commit of a ledger, which has no parent and holds no record."""
    return f"Ledger of the lab {lab}\n\n{canonical({'format': 1, 'kind': 'genesis', 'lab': lab})}\n"
