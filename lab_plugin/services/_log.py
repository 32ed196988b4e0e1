"""The end of a service's log, as it may be shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

_READ_BYTES = 8 << 10
_LINES = 12
_LINE_LENGTH = 300
STARTED = "== started "
"""How the line begins by which a guardian marks each start in a log."""


def tail(log: Path, redact: Callable[[str], str]) -> str:
    """The last lines that a service wrote since it was started last; with a leading newline, or empty.

    Args:
        log: Its log file; what came before it is in `LOG.1`.
        redact: Takes secrets out of the text.
    """
    # Together: a secret may lie across the two.
    written = _end(Path(f"{log}.1")) + _end(log)
    lines = redact(written[-_READ_BYTES:].decode("utf-8", "replace")).splitlines()
    begins = max((index + 1 for index, line in enumerate(lines) if line.startswith(STARTED)), default=0)
    shown = [_clean(line) for line in lines[begins:] if line.strip()][-_LINES:]
    return "".join(f"\n    {line}" for line in shown)


def _end(log: Path) -> bytes:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _READ_BYTES))
            return stream.read(_READ_BYTES)
    except OSError:
        return b""


def _clean(line: str) -> str:
    """One line that cannot drive a terminal."""
    return "".join(c if c.isprintable() else " " for c in line).rstrip()[:_LINE_LENGTH]
