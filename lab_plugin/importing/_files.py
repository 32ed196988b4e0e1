"""Files of lines: tables, and JSON with an object in each line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab_plugin.errors import ImportingError
from lab_plugin.importing._lines import lines_of
from lab_plugin.importing._mapping import Mapper
from lab_plugin.importing._objects import parse_object
from lab_plugin.importing._reading import Reading
from lab_plugin.importing._row import BadRow, Row
from lab_plugin.importing._tables import read_table

_NAMED = 20


def read_rows_of_table(path: Path, mapper: Mapper) -> Reading:
    """Open `results.tsv`, or the same with commas.

    Raises:
        ImportingError: It cannot be read, or has no column of the metric's name.
    """
    table = read_table(path, "," if path.suffix.lower() == ".csv" else "\t")
    if mapper.metric not in table.header and "metrics" not in table.header:
        raise no_metric(str(path), mapper.metric, "column", table.header)

    def rows() -> Iterator[Row | BadRow]:
        for row in table.rows:
            yield row if isinstance(row, BadRow) else mapper.row(row.line, row.cells)

    return Reading(form="table", source=path.name, metric=mapper.metric, goal=None, rows=rows())


def read_rows_of_objects(path: Path, mapper: Mapper) -> Reading:
    """Open `results.jsonl`.

    Raises:
        ImportingError: It cannot be read.
    """

    def rows() -> Iterator[Row | BadRow]:
        for line in lines_of(path):
            if isinstance(line, BadRow):
                yield line
                continue
            try:
                record = parse_object(line.text)
            except ValueError as error:
                yield BadRow(line.number, str(error))
                continue
            yield mapper.row(line.number, record)

    return Reading(form="jsonl", source=path.name, metric=mapper.metric, goal=None, rows=rows())


def no_metric(source: str, metric: str, what: str, names: tuple[str, ...]) -> ImportingError:
    """The error of a source that has no values under a name.

    Args:
        source: It.
        metric: The name.
        what: What it has names of: "column", "key", "metric".
        names: Those that it has.
    """
    shown = ", ".join(name[:60] for name in names[:_NAMED]) or "none"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ImportingError(
        f"{source} has no {what} {metric!r}; it has {shown}{more}.",
        "Name the one that holds the values: --metric NAME.",
    )
