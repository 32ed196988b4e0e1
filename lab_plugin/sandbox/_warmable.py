"""Which commands a fork of a warm interpreter can run."""

from __future__ import annotations

from collections.abc import Sequence


def is_warmable(command: Sequence[str]) -> bool:
    """Whether a command is `python SCRIPT.py ...` or `python -m MODULE ...`."""
    if len(command) < 2 or command[0] not in ("python", "python3"):
        return False
    if command[1] == "-m":
        return len(command) > 2 and all(part.isidentifier() for part in command[2].split("."))
    return not command[1].startswith("-") and command[1].endswith(".py")
