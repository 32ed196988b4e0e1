"""Databases of others, read from a copy: opening them with a library may write to them."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from lab_plugin.errors import ImportingError
from lab_plugin.importing._limits import DATABASE_BYTES
from lab_plugin.importing._lines import require_file

MAGIC = b"SQLite format 3\0"
_SQLITE = "sqlite:///"
_ADDRESS = re.compile(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?")


def database_of(where: str) -> Path | None:
    """The file of a SQLite address, or of a path; None for another kind of address."""
    if (found := _ADDRESS.fullmatch(where)) is not None:
        return Path(found[1])
    return None if "://" in where else Path(where)


def is_database(path: Path) -> bool:
    """Whether a file is a SQLite database."""
    if not path.is_file():
        # A pipe would be waited for.
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def tables_of(path: Path) -> frozenset[str]:
    """The names of a database's tables.

    Raises:
        ImportingError: It cannot be read.
    """
    with _opened(path) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1000").fetchall()
        return frozenset(str(name) for (name,) in rows)


@contextmanager
def copied(path: Path) -> Iterator[str]:
    """The address of a copy of a database, as it is at one moment; gone afterwards.

    Raises:
        ImportingError: It cannot be read, or is too large.
    """
    require_file(path, DATABASE_BYTES)
    with tempfile.TemporaryDirectory(prefix="lab-import-") as folder:
        target = Path(folder, "copy.db")
        with _opened(path) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        yield f"{_SQLITE}{target}"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    require_file(path, DATABASE_BYTES)
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise ImportingError(
            f"The database {path} cannot be read: {error}.",
            "Close the program that writes to it, or name a copy that is whole.",
        ) from error
