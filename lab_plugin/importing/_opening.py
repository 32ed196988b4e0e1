"""From a file's name or an address to the reader for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_plugin.errors import ImportingError
from lab_plugin.importing._databases import database_of, is_database, tables_of
from lab_plugin.importing._files import read_rows_of_objects, read_rows_of_table
from lab_plugin.importing._lines import Line, lines_of
from lab_plugin.importing._mapping import Mapper
from lab_plugin.importing._mlflow import open_experiment
from lab_plugin.importing._naming import shown_address
from lab_plugin.importing._objects import parse_object
from lab_plugin.importing._optuna import open_study
from lab_plugin.importing._reading import Form, Reading, Wish
from lab_plugin.importing._row import BadRow

_TABLES = (".tsv", ".csv")
_OBJECTS = (".jsonl", ".ndjson")


@contextmanager
def open_source(wish: Wish, mapper: Mapper, own: str) -> Iterator[Reading]:
    """Open what a wish names.

    Args:
        wish: What is to be imported.
        mapper: Makes rows.
        own: Identity of the lab, whose own mirror in MLflow is refused.

    Raises:
        ImportingError: It cannot be read, or it is not clear what it is.
    """
    form = _form(wish)
    if form == "optuna":
        with open_study(wish, mapper) as reading:
            yield reading
    elif form == "mlflow":
        with open_experiment(wish, mapper, own) as reading:
            yield reading
    elif form == "table":
        yield read_rows_of_table(Path(wish.where), mapper)
    else:
        yield read_rows_of_objects(Path(wish.where), mapper)


def _form(wish: Wish) -> Form:
    if wish.study and wish.experiment:
        raise ImportingError("--study is of Optuna and --experiment of MLflow.", "Give one of them.")
    if wish.study:
        return "optuna"
    if wish.experiment or wish.where.startswith(("http://", "https://", "file:")):
        return "mlflow"
    path = database_of(wish.where)
    if path is None:
        raise ImportingError(
            f"It is not clear what {shown_address(wish.where)} is.",
            "Name --study for an Optuna storage, or --experiment for an MLflow store.",
        )
    if path.is_dir():
        return "mlflow"
    if "://" in wish.where or is_database(path):
        return _form_of_database(path)
    return _form_of_file(path)


def _form_of_database(path: Path) -> Form:
    tables = tables_of(path)
    if {"studies", "trials"} <= tables:
        return "optuna"
    if {"experiments", "runs"} <= tables:
        return "mlflow"
    raise ImportingError(
        f"The database {path} is neither an Optuna storage nor an MLflow store.", "Name another file."
    )


def _form_of_file(path: Path) -> Form:
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        return "table"
    first = next(lines_of(path), None)
    if isinstance(first, BadRow) or first is None:
        why = "it is empty" if first is None else str(first)
        raise ImportingError(
            f"It is not clear what {path} is: {why}.", "Name a table, JSON lines or a store."
        )
    if _is_journal(first):
        return "optuna"
    if suffix in _OBJECTS or first.text.lstrip().startswith("{"):
        return "jsonl"
    if "\t" in first.text:
        return "table"
    raise ImportingError(
        f"It is not clear what {path} is.",
        "A table ends in .tsv or .csv, JSON lines in .jsonl; Optuna and MLflow are known by their databases.",
    )


def _is_journal(first: Line) -> bool:
    try:
        return "op_code" in parse_object(first.text)
    except ValueError:
        return False
