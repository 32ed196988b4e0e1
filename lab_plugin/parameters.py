"""The committed parameter file: a point's values go in, everything else in it stays."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NoReturn

import tomlkit
from tomlkit.exceptions import TOMLKitError

from lab_plugin.errors import ParametersError
from lab_plugin.repeated_keys import repeated_key
from lab_plugin.toml import parse_toml

__all__ = ["Format", "ParametersError", "Value", "format_of", "read", "render"]

Format = Literal["json", "toml"]
Value = str | int | float | bool

# tomlkit takes time in the square of the length: at this size, a second at worst.
_MAX_BYTES = 64 << 10
_MAX_DEPTH = 50
_REMEDY = "Correct the file and commit it."


class _Fault(ValueError):
    """What is wrong with a parameter file; the border adds its path."""


def format_of(path: str) -> Format:
    """The format that a file's name stands for: TOML for `.toml`, else JSON."""
    return "toml" if path.endswith(".toml") else "json"


def render(
    existing: bytes | None,
    format: Format,
    key: str | None,
    values: Mapping[str, Value],
    *,
    path: str = "the parameter file",
) -> bytes:
    """Put a point's values into a parameter file.

    Other keys, their order and, in TOML, comments stay. JSON is written with an indent of two and one
    newline at the end. The same file and values always give the same bytes.

    Args:
        existing: The committed file; None when there is none yet.
        format: How it is written.
        key: Dotted name of the table that holds the parameters, made when it is missing; None for the top.
        values: Parameter to value; numbers finite.
        path: Names the file in errors.

    Raises:
        ParametersError: The file is no valid JSON or TOML, is too large or too deep, or holds something
            else than a table where the parameters belong; or a value cannot be written.
    """
    try:
        _check_values(values)
        document = {} if existing is None else _parsed(existing, format)
        text = "" if existing is None else existing.decode()
        _table(document, key, make=True).update(values)
        data = (_json(document) if format == "json" else _toml(text, key, values)).encode()
        if _parsed(data, format) != document:
            raise _Fault("cannot be rewritten without changing another key; write it in a plainer form")
    except (_Fault, UnicodeError) as fault:
        raise ParametersError(f"{path}: {fault}.", _REMEDY) from None
    return data


def read(
    data: bytes,
    format: Format,
    key: str | None,
    names: Iterable[str] | None = None,
    *,
    path: str = "the parameter file",
) -> dict[str, Value]:
    """Read parameters from a parameter file.

    Args:
        data: The whole file.
        format: How it is written.
        key: Dotted name of the table that holds the parameters; None for the top.
        names: Which parameters to read; None for every string, finite number and boolean of the table.
        path: Names the file in errors.

    Raises:
        ParametersError: The file is not valid, or a parameter is missing or is no string, finite number
            or boolean.
    """
    try:
        table = _table(_parsed(data, format), key, make=False)
        if names is None:
            return {name: value for name, value in table.items() if _is_value(value)}
        missing = [name for name in names if name not in table]
        if missing:
            raise _Fault(f"has no {', '.join(missing)}{f' in {key}' if key else ''}")
        values = {name: table[name] for name in names}
        _check_values(values)
    except _Fault as fault:
        raise ParametersError(f"{path}: {fault}.", _REMEDY) from None
    return values


def _check_values(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if not isinstance(value, str | int | float | bool):
            raise _Fault(f"{name} is no string, number or boolean")
        if not _is_value(value):
            raise _Fault(f"{name} is not finite")


def _is_value(value: object) -> bool:
    """A string, finite number or boolean."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)


def _parsed(data: bytes, format: Format) -> dict[str, Any]:
    if len(data) > _MAX_BYTES:
        raise _Fault(f"is larger than {_MAX_BYTES >> 10} KiB")
    try:
        text = data.decode()
        document = _load_json(text) if format == "json" else parse_toml(text).values
    except UnicodeDecodeError as error:
        raise _Fault(f"is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _Fault("is nested too deep") from None
    except _Fault:
        raise
    except ValueError as error:
        raise _Fault(f"is no valid {format.upper()}: {error}") from None
    if not isinstance(document, dict):
        raise _Fault("does not hold a table at its top")
    _check_document(document)
    return document


def _load_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if (twice := repeated_key(pairs)) is not None:
        raise _Fault(f"holds the key {reprlib.repr(twice)} twice in one table")
    return dict(pairs)


def _refuse_constant(text: str) -> NoReturn:
    raise _Fault(f"holds {text}, which is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Fault("holds a number that is too large")
    return number


def _check_document(document: dict[str, Any]) -> None:
    pending: list[tuple[int, object]] = [(1, document)]
    while pending:
        depth, value = pending.pop()
        if depth > _MAX_DEPTH:
            raise _Fault(f"is nested more than {_MAX_DEPTH} deep")
        if isinstance(value, dict):
            pending.extend((depth + 1, item) for item in value.values())
        elif isinstance(value, list):
            pending.extend((depth + 1, item) for item in value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise _Fault("holds nan or inf")
        elif isinstance(value, int) and value.bit_length() > 64:
            raise _Fault("holds a whole number of more than 64 bits")


def _table(document: dict[str, Any], key: str | None, *, make: bool) -> dict[str, Any]:
    table: Any = document
    for name in key.split(".") if key else ():
        table = table.setdefault(name, {}) if make else table.get(name, {})
        if not isinstance(table, dict):
            raise _Fault(f"{key} is no table")
    return table  # type: ignore[no-any-return]


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _toml(text: str, key: str | None, values: Mapping[str, Value]) -> str:
    try:
        document = tomlkit.parse(text)
        table: Any = document
        for name in key.split(".") if key else ():
            if name not in table:
                table[name] = tomlkit.table()
            table = table[name]
        for name, value in values.items():
            table[name] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, RecursionError) as error:
        raise _Fault(f"cannot be rewritten: {error}") from None
