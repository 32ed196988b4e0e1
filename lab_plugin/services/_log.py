"""The end of a service's log, as it may be shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

_READ_BYTES = 8 << 10
_LOOKS = 100
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
    lines = redact(_written(log)[-_READ_BYTES:].decode("utf-8", "replace")).splitlines()
    begins = max((index + 1 for index, line in enumerate(lines) if line.startswith(STARTED)), default=0)
    shown = [_clean(line) for line in lines[begins:] if line.strip()][-_LINES:]
    return "".join(f"\n    {line}" for line in shown)


def _written(log: Path) -> bytes:
    """The end of both files together, as they were at one moment: a secret may lie across the two."""
    written, paths = b"", (Path(f"{log}.1"), log)
    for _ in range(_LOOKS):
        with ExitStack() as stack:
            files = [_opened(path, stack) for path in paths]
            written = b"".join(_end(file) for file in files if file is not None)
            # While they are open, no other file can have their numbers.
            if all(_is_at(file, path) for file, path in zip(files, paths, strict=True)):
                break
    return written


def _opened(path: Path, stack: ExitStack) -> BinaryIO | None:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError:
        return None


def _end(file: BinaryIO) -> bytes:
    file.seek(max(0, os.fstat(file.fileno()).st_size - _READ_BYTES))
    return file.read(_READ_BYTES)


def _is_at(file: BinaryIO | None, path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return file is None
    return file is not None and os.path.samestat(os.fstat(file.fileno()), found)


def _clean(line: str) -> str:
    """One line that cannot drive a terminal."""
    return "".join(c if c.isprintable() else " " for c in line).rstrip()[:_LINE_LENGTH]
