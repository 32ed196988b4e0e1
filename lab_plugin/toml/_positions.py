"""In which line of a TOML document each key and each array element stands.

`tomllib` gives values and no positions. This reader gives positions and checks nothing: on valid TOML it
is exact, on anything else it stops no earlier than `tomllib` would. It therefore runs first, and refuses
the deep keys that would cost `tomllib` time in the square of their length.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

Place = tuple[str | int, ...]

MAX_KEY_PARTS = 50

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_SCALAR = re.compile(
    r'"""(?s:(?:\\.|[^\\])*?)"{3,5}'
    r"|'''(?s:.*?)'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n]+"
)


class NotToml(ValueError):
    """The reader met what is not TOML."""


class DeepKey(ValueError):
    """A dotted key has too many parts.

    Args:
        line: Where it begins.
    """

    def __init__(self, line: int) -> None:
        super().__init__(f"a dotted key has more than {MAX_KEY_PARTS} parts")
        self.line = line


@dataclass(frozen=True)
class Positions:
    """Lines by place.

    Attributes:
        lines: Place to line, counted from 1; a table has the line of its first mention.
    """

    lines: Mapping[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it; 1 for the document."""
        while place:
            if place in self.lines:
                return self.lines[place]
            place = place[:-1]
        return 1


def find_positions(text: str) -> Positions:
    """Find where everything stands.

    Args:
        text: TOML; line ends may be CRLF.

    Raises:
        DeepKey: A dotted key has more than `MAX_KEY_PARTS` parts.
        NotToml: The text is not valid TOML; `tomllib` knows why.
        RecursionError: Arrays and inline tables are nested too deep.
    """
    return Positions(_Reader(text.replace("\r\n", "\n")).read())


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}

    def read(self) -> dict[Place, int]:
        table: Place = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._peek("["):
                table = self._header()
            else:
                self._key_value(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> Place:
        is_array = self._peek("[[")
        line = self._line()
        self._at += 2 if is_array else 1
        *parents, last = self._key()
        self._at += 2 if is_array else 1
        place: Place = ()
        for name in parents:
            place = self._enter((*place, name), line)
        place = (*place, last)
        self._note(place, line)
        if is_array:
            index = self._counts[place] = self._counts.get(place, -1) + 1
            place = (*place, index)
            self._note(place, line)
        return place

    def _enter(self, place: Place, line: int) -> Place:
        """The table at a place; of an array of tables, its last one."""
        self._note(place, line)
        return (*place, self._counts[place]) if place in self._counts else place

    def _key_value(self, table: Place) -> None:
        line = self._line()
        place = table
        for name in self._key():
            place = (*place, name)
            self._note(place, line)
        self._at += 1
        self._skip(_SPACES)
        self._value(place)

    def _key(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(_SPACES)
            names.append(_unquoted(self._take(_KEY_PART)))
            self._skip(_SPACES)
            if len(names) > MAX_KEY_PARTS:
                raise DeepKey(self._line())
            if not self._peek("."):
                return names
            self._at += 1

    def _value(self, place: Place) -> None:
        if self._peek("["):
            self._items(place, "]")
        elif self._peek("{"):
            self._items(place, "}")
        else:
            self._take(_SCALAR)

    def _items(self, place: Place, end: str) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._peek(end):
                self._at += 1
                return
            if self._peek(","):
                self._at += 1
                continue
            if end == "}":
                self._key_value(place)
            else:
                self._note((*place, index), self._line())
                self._value((*place, index))
                index += 1

    def _note(self, place: Place, line: int) -> None:
        self._lines.setdefault(place, line)

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise NotToml(f"no TOML at character {self._at}")
        self._at = match.end()
        return match[0]


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    try:
        return next(iter(tomllib.loads(f"{part} = 0")))
    except tomllib.TOMLDecodeError as error:
        raise NotToml(str(error)) from None
