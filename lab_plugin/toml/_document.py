"""TOML text to values and lines, safe on hostile text."""

from __future__ import annotations

import re
import tomllib
from typing import Any, NamedTuple

from lab_plugin.toml._positions import DeepKey, NotToml, Positions, find_positions

_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_AT_END = " (at end of document)"


class Document(NamedTuple):
    """What a TOML text holds.

    Attributes:
        values: As `tomllib` gives them.
        positions: The line of each of them.
    """

    values: dict[str, Any]
    positions: Positions


class TomlFault(ValueError):
    """A text is not valid TOML.

    Args:
        line: Where, counted from 1.
        message: What is wrong there.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


def parse_toml(text: str) -> Document:
    """Read TOML.

    The time is nearly linear in the length, whatever the text.

    Args:
        text: The whole document.

    Raises:
        TomlFault: It is not valid, or is nested too deep.
    """
    if text.startswith("\ufeff"):
        raise TomlFault(1, "begins with a byte order mark; save it as UTF-8 without one")
    try:
        positions = _positions(text)
        return Document(tomllib.loads(text), positions)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_fault(str(error), text) from None
    except DeepKey as error:
        raise TomlFault(error.line, str(error)) from None
    except ValueError:
        raise TomlFault(_line_of_longest_number(text), "a number has too many digits") from None
    except RecursionError:
        raise TomlFault(1, "arrays and tables are nested too deep") from None


def _positions(text: str) -> Positions:
    try:
        return find_positions(text)
    except NotToml:
        return Positions()


def _syntax_fault(message: str, text: str) -> TomlFault:
    if at := _AT.search(message):
        return TomlFault(int(at[1]), f"column {at[2]}: {message[: at.start()]}")
    return TomlFault(text.rstrip().count("\n") + 1, f"{message.removesuffix(_AT_END)}, at the end")


def _line_of_longest_number(text: str) -> int:
    longest = max(re.finditer(r"[0-9_]+", text), key=lambda match: len(match[0]))
    return text.count("\n", 0, longest.start()) + 1
