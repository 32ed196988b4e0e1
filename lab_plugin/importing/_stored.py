"""Imported rows in git: one file per import, one line of canonical JSON for each row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from lab_plugin.errors import ImportingError, LedgerError, RepositoryError
from lab_plugin.importing._limits import STORED_BYTES
from lab_plugin.importing._row import Row
from lab_plugin.ledger import ImportRecord, State, canonical
from lab_plugin.repository import Blob, Repository

FILE = "rows.jsonl"


@dataclass(frozen=True)
class Stored:
    """The rows of one import, before its record is written.

    Attributes:
        tree: Of the ledger commit.
        digest: sha256 (hex) of the rows' file.
    """

    tree: str
    digest: str


def store_rows(repository: Repository, rows: Iterable[Row]) -> Stored:
    """Write rows into git's object store.

    Raises:
        ImportingError: They are too many to be kept.
    """
    data = b"".join(_line(row) for row in rows)
    if len(data) > STORED_BYTES:
        raise ImportingError(
            f"The rows take {len(data) >> 20} MiB in the ledger, more than {STORED_BYTES >> 20} MiB.",
            "Import a part of them.",
        )
    tree = repository.write_tree({FILE: Blob(data=data)})
    return Stored(tree, hashlib.sha256(data).hexdigest())


def rows_file(repository: Repository, record: ImportRecord) -> bytes:
    """The rows of an import as they are kept, proved to be those of its record.

    Raises:
        LedgerError: They are missing or not what the record says.
    """
    where = _where(record)
    try:
        if list(repository.folder(record.tree)) != [FILE]:
            raise LedgerError(f"{where} are not in their place.", "Run `lab verify`.")
        data = repository.read_file(record.tree, FILE, STORED_BYTES)
    except RepositoryError as error:
        raise LedgerError(f"{where} cannot be read: {error.message}", "Run `lab verify`.") from error
    if hashlib.sha256(data).hexdigest() != record.digest:
        raise LedgerError(f"{where} have another digest than their record.", "Run `lab verify`.")
    return data


def read_rows(repository: Repository, record: ImportRecord) -> tuple[Row, ...]:
    """The rows of an import, proved to be those of its record.

    Raises:
        LedgerError: They are missing or not what the record says.
    """
    where, data = _where(record), rows_file(repository, record)
    try:
        rows = tuple(Row.model_validate_json(line) for line in data.splitlines())
    except ValidationError as error:
        raise LedgerError(f"{where} are damaged: {error}.", "Run `lab verify`.") from error
    valued = sum(row.value is not None for row in rows)
    if (len(rows), valued) != (record.rows, record.valued) or b"".join(map(_line, rows)) != data:
        raise LedgerError(f"{where} are not as its record counts them.", "Run `lab verify`.")
    return rows


def imports_of(repository: Repository, state: State) -> Iterator[tuple[ImportRecord, tuple[Row, ...]]]:
    """All imports, oldest first, each with its rows; a row that stands in several, only in the newest.

    Raises:
        LedgerError: One is damaged.
    """
    found = [(record, read_rows(repository, record)) for record in state.imports]
    newest = {row.key: record.sequence for record, rows in found for row in rows}
    for record, rows in found:
        kept = tuple(row for row in rows if newest[row.key] == record.sequence)
        if kept:
            yield record, kept


def _where(record: ImportRecord) -> str:
    return f"The rows imported from {record.source} (record {record.sequence})"


def _line(row: Row) -> bytes:
    return canonical(row.model_dump()).encode("ascii") + b"\n"
