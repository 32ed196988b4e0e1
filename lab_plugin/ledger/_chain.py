"""The ledger's commits, read from git without believing any of them."""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.errors import LedgerError, RepositoryError
from lab_plugin.ledger._codec import canonical, line_of, read
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
        record: Position of the record in the ledger, from 1; 0 when it concerns the whole, or its start.
        idea: Number of the idea that it concerns; None for none.
        expected: What would be right, as far as that can be told.
        found: What is there instead.
    """

    commit: str
    what: str
    remedy: str
    record: int = 0
    idea: int | None = None
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        place = f"record {self.record} (ledger commit {self.commit[:12]}): " if self.record else ""
        if self.commit and not self.record:
            place = f"ledger commit {self.commit[:12]}: "
        told = f": expected {self.expected}, found {self.found or 'nothing'}" if self.expected else ""
        return f"{place}{self.what}{told}"


def record_of(commit: Commit) -> Record:
    """The record that a ledger commit holds.

    Raises:
        ValueError: It holds none; the message says why.
    """
    return read(line_of(commit.message))


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
