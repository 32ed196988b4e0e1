"""Tables as such systems keep them: `results.tsv`, or the same with commas.

Some write their cells as they are, others with the quotes of a spreadsheet. A line with as many cells as the
header is taken by itself, so that a stray quote never swallows the rows that follow; one in which a quote is
open goes on in the lines behind it that are no rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lab_plugin.errors import ImportingError
from lab_plugin.importing._limits import COLUMNS, LINE_BYTES
from lab_plugin.importing._lines import Line, lines_of
from lab_plugin.importing._row import BadRow

_CONTINUED = 50


class Cells(NamedTuple):
    """A row's cells by column, and the number of its first line."""

    line: int
    cells: dict[str, str]


class Table(NamedTuple):
    """A header, and the rows below it."""

    header: tuple[str, ...]
    rows: Iterator[Cells | BadRow]


def read_table(path: Path, delimiter: str) -> Table:
    """Open a table; its rows are read as they are asked for.

    Raises:
        ImportingError: It cannot be read, or has no header that names each column once.
    """
    lines = lines_of(path)
    first = next(lines, None)
    if not isinstance(first, Line):
        why = "it is empty" if first is None else first.what
        raise ImportingError(f"{path} has no header: {why}.", "Its first line names the columns.")
    names = _split(first.text, delimiter, None)
    header = tuple(name.strip() for name in names or ())
    if not header or len(header) > COLUMNS or not all(header):
        raise ImportingError(
            f"{path} has no header that can be used.", f"Its first line names 1 to {COLUMNS} columns."
        )
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise ImportingError(f"{path} has two columns called {twice[:100]!r}.", "Rename one of them.")
    return Table(header, _rows(lines, header, delimiter))


def _rows(
    lines: Iterator[Line | BadRow], header: tuple[str, ...], delimiter: str
) -> Iterator[Cells | BadRow]:
    waiting: list[Line] = []
    for line in lines:
        alone = None if isinstance(line, BadRow) else _split(line.text, delimiter, len(header))
        if isinstance(line, BadRow) or alone is not None:
            # A whole row by itself ends what seemed to go on.
            yield from _given_up(waiting, header, delimiter)
            waiting = []
        if isinstance(line, BadRow):
            yield line
        elif alone is not None and not (alone[-1].startswith('"') and _opened(line.text)):
            yield Cells(line.number, dict(zip(header, alone, strict=True)))
        else:
            waiting.append(line)
            joined = "\n".join(part.text for part in waiting)
            cells = None if alone is not None else _split(joined, delimiter, len(header))
            if cells is not None:
                yield Cells(waiting[0].number, dict(zip(header, cells, strict=True)))
                waiting = []
            elif not _opened(joined) or len(waiting) > _CONTINUED or len(joined) > LINE_BYTES:
                yield from _given_up(waiting, header, delimiter)
                waiting = []
    yield from _given_up(waiting, header, delimiter)


def _given_up(waiting: list[Line], header: tuple[str, ...], delimiter: str) -> Iterator[Cells | BadRow]:
    """Lines that do not make one row together, each by itself."""
    for line in waiting:
        cells = _split(line.text, delimiter, len(header))
        found = len(line.text.split(delimiter))
        told = "an open quote" if found == len(header) else f"{found} cells, and the header has {len(header)}"
        if cells is None:
            yield BadRow(line.number, f"it has {told}")
        else:
            yield Cells(line.number, dict(zip(header, cells, strict=True)))


def _opened(text: str) -> bool:
    return text.count('"') % 2 == 1


def _split(text: str, delimiter: str, width: int | None) -> list[str] | None:
    """The cells of a row; None where they are not as many as wanted."""
    if delimiter == "\t" and "\n" not in text:
        plain = text.split(delimiter)
        if width in (None, len(plain)):
            return [_unquoted(cell) for cell in plain]
    try:
        [cells] = csv.reader(
            [text] if "\n" not in text else text.splitlines(keepends=True), delimiter=delimiter, strict=True
        )
    except (csv.Error, ValueError):
        return None
    return cells if width in (None, len(cells)) else None


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    quoted = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell
