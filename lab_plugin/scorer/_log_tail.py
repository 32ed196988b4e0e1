"""The end of a program's log, fit for a reason."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab_plugin.sandbox import Execution

_TAIL = 2_000


def tail(execution: Execution, redact: Callable[[str], str]) -> str:
    """The last lines of stderr, cleaned, for a reason or a log; with a leading newline, or empty.

    Args:
        execution: Of which.
        redact: Takes secrets out of the text before it is cut.
    """
    try:
        with execution.stderr.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            text = redact(stream.read(_TAIL).decode("utf-8", "replace"))
    except OSError:
        return ""
    lines = [clean(line) for line in text.splitlines() if line.strip()]
    return "\n" + "\n".join(lines[-5:]) if lines else ""


def clean(line: str) -> str:
    """One line without control characters, so that a log cannot drive a terminal."""
    return "".join(character if character.isprintable() else " " for character in line).rstrip()[:500]
