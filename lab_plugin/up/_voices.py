"""What all programs write, line by line, each with the name of who wrote it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from lab_plugin.services import STARTED

_COLOURS = (36, 35, 33, 32, 34, 31)
_MOST_BYTES = 1 << 20
_MOST_LINE = 2000
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_])")


class Voice:
    """Reads on in a log that grows and, when it is full, is renamed and begun anew.

    Args:
        log: The file; may not be there yet. What it holds now is the past.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file: BinaryIO | None = None
        self._open = b""
        self._begin(past=True)

    def lines(self) -> list[str]:
        """The lines that were finished since the last call, without what could drive a terminal."""
        found = self._read()
        if self._is_replaced():
            # What came between this reading and the renaming.
            found += self._read()
            self._begin(past=False)
            found += self._read()
        *whole, self._open = (self._open + found).split(b"\n")
        if len(self._open) > _MOST_LINE:
            whole, self._open = [*whole, self._open], b""
        return [text for line in whole if (text := _plain(line)) and not text.startswith(STARTED)]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _begin(self, *, past: bool) -> None:
        self.close()
        try:
            self._file = open(self._log, "rb", buffering=0)  # noqa: SIM115 - `close` closes it
        except FileNotFoundError:
            self._file = None
            return
        if past:
            self._file.seek(0, os.SEEK_END)

    def _read(self) -> bytes:
        return b"" if self._file is None else self._file.read(_MOST_BYTES) or b""

    def _is_replaced(self) -> bool:
        try:
            now = self._log.stat()
        except FileNotFoundError:
            return False
        return self._file is None or os.fstat(self._file.fileno()).st_ino != now.st_ino


def prefixed(name: str, text: str, width: int, place: int | None) -> str:
    """A line with the name of who wrote it.

    Args:
        name: Who.
        text: The line.
        width: Of the longest name.
        place: Of the name among all, for its colour; None for no colours.
    """
    shown = name.ljust(width)
    if place is not None:
        shown = f"\x1b[{_COLOURS[place % len(_COLOURS)]}m{shown}\x1b[0m"
    return f"{shown} | {text}"


def _plain(line: bytes) -> str:
    text = _ESCAPES.sub("", line.decode("utf-8", "replace"))
    return "".join(c if c.isprintable() else " " for c in text).rstrip()[:_MOST_LINE]
