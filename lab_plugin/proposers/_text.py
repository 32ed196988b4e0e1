"""Untrusted text made fit for titles, messages and reports."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def clean_line(text: str, length: int) -> str:
    """One line: no control or invisible characters, single spaces, at most `length` characters."""
    return _cut(" ".join(_visible(text).split()), length)


def clean_block(text: str, length: int) -> str:
    """Lines: as `clean_line` for each, empty lines dropped at both ends and doubled ones made single."""
    lines = [" ".join(line.split()) for line in _visible(text).split("\n")]
    return _cut(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), length)


def read_tail(path: Path, limit: int) -> str:
    """The last bytes of a log as text, "" when there is none.

    Args:
        path: A plain file; a link or anything else counts as none.
        limit: How many bytes at most.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ""
        file.seek(max(0, status.st_size - limit))
        return file.read(limit).decode("utf-8", errors="replace")


def _visible(text: str) -> str:
    kept = (
        " " if character in "\t\r\v\f\u2028\u2029\x85" else character
        for character in _ESCAPES.sub("", text.replace("\r\n", "\n"))
        if character in "\n\t\r\v\f\x85" or not unicodedata.category(character).startswith("C")
    )
    return "".join(kept)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
