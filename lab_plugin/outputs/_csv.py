"""Tables: one strict dialect is read, row by row, and written anew.

UTF-8 without a byte order mark, commas, lines that end with LF or CRLF, quotes around a whole cell and
doubled within it (RFC 4180), a header with exactly the declared columns.
"""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from lab_plugin.config import CsvSchema
from lab_plugin.outputs._fault import OutputFault, shown
from lab_plugin.outputs._sizes import Sizes

_RECORD = 1 << 20
_CELL = re.compile(r'(?:"((?:[^"]|"")*+)"|([^",]*+))(,|\Z)')
_INT = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_BOOLS = {"true": "true", "True": "true", "false": "false", "False": "false"}


def copy_csv(schema: CsvSchema, name: str, source: BinaryIO, target: BinaryIO, sizes: Sizes) -> None:
    """Check a table, and write its values in their shortest form.

    Args:
        schema: What it must be.
        name: The output's name.
        source: At its start.
        target: Takes the copy.
        sizes: What the names of dimensions stand for.

    Raises:
        OutputFault: It is something else.
    """
    records = _records(source)
    columns = list(schema.columns)
    header = next(records, None)
    if header is None or _cells(header, 0) != columns:
        raise OutputFault(f"does not begin with the header {shown(','.join(columns))}")
    forms = [_FORMS[kind] for kind in schema.columns.values()]
    writer = csv.writer(codecs.getwriter("utf-8")(target), lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for count, record in enumerate(records, 1):
        writer.writerow(_row(_cells(record, count), columns, forms, count))
    sizes.require(schema.rows, count, "the number of rows", name)


def _row(cells: list[str], columns: list[str], forms: list[Callable[[str], str]], number: int) -> list[str]:
    if len(cells) != len(columns):
        raise OutputFault(f"has {len(cells)} cells in row {number}, not {len(columns)}")
    row = []
    for cell, column, form in zip(cells, columns, forms, strict=True):
        try:
            row.append(form(cell))
        except ValueError as error:
            raise OutputFault(f"{error} in row {number}, column {shown(column)}: {shown(cell)}") from None
    return row


def _records(source: BinaryIO) -> Iterator[str]:
    """The rows as text, without their line ends; a line within quotes belongs to its row."""
    number = 0
    while data := _record(source, number):
        try:
            text = data.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            raise OutputFault(f"is no UTF-8 in row {number}") from None
        if "\0" in text or "\r" in text:
            raise OutputFault(f"holds a NUL or a lone carriage return in row {number}")
        if number == 0 and text.startswith("\ufeff"):
            raise OutputFault("begins with a byte order mark")
        yield text
        number += 1


def _record(source: BinaryIO, number: int) -> bytes:
    lines: list[bytes] = []
    length = quotes = 0
    while not lines or quotes % 2:
        line = source.readline(_RECORD + 1 - length)
        if not line:
            if lines:
                raise OutputFault(f"ends within the quotes of row {number}")
            break
        length += len(line)
        quotes += line.count(b'"')
        lines.append(line)
        if length > _RECORD:
            raise OutputFault(f"has more than {_RECORD:,} bytes in row {number}")
    return b"".join(lines)


def _cells(record: str, number: int) -> list[str]:
    if '"' not in record:
        return record.split(",")
    cells = []
    position = 0
    while match := _CELL.match(record, position):
        quoted, plain, end = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if not end:
            return cells
    raise OutputFault(f"has a quote out of place in row {number}")


def _int(cell: str) -> str:
    if not _INT.fullmatch(cell) or not -(2**63) <= (value := int(cell)) < 2**63:
        raise ValueError("holds no whole number of 64 bits")
    return str(value)


def _float(cell: str) -> str:
    if not _FLOAT.fullmatch(cell) or not math.isfinite(value := float(cell)):
        raise ValueError("holds no finite number")
    return repr(value)


def _bool(cell: str) -> str:
    if cell not in _BOOLS:
        raise ValueError("holds neither true nor false")
    return _BOOLS[cell]


def _str(cell: str) -> str:
    return cell


_FORMS: Mapping[str, Callable[[str], str]] = {"int": _int, "float": _float, "bool": _bool, "str": _str}
