"""The settings of the strategy `command`, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lab_plugin.config import parse_duration, parse_size
from lab_plugin.errors import ProposerError
from lab_plugin.proposers._unknown import refuse_unknown

_DEFAULT_SECONDS = 600.0
_DEFAULT_BYTES = 2 << 30


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """What `[strategy]` says about the program.

    Attributes:
        command: argv.
        timeout: Seconds, above 0.
        memory: Bytes, above 0.
        cpus: Cores, above 0.
    """

    command: tuple[str, ...]
    timeout: float = _DEFAULT_SECONDS
    memory: int = _DEFAULT_BYTES
    cpus: float = 1.0

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> CommandSettings:
        """Check the table.

        Raises:
            ProposerError: A setting is missing, unknown or wrong; the message names it.
        """
        refuse_unknown("command", settings, [field.name for field in fields(cls)])
        return cls(
            command=_command(settings.get("command")),
            timeout=_duration(settings.get("timeout", _DEFAULT_SECONDS)),
            memory=_size(settings.get("memory", _DEFAULT_BYTES)),
            cpus=_cores(settings.get("cpus", 1.0)),
        )


def _command(value: object) -> tuple[str, ...]:
    remedy = 'Write it as a list of strings: command = ["python", "propose.py"].'
    if value is None:
        raise _wrong("command", "is missing", remedy)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(part, str) for part in value):
        raise _wrong("command", "must be a list of one or more strings", remedy)
    if not value[0] or any("\0" in part for part in value):
        raise _wrong("command", "must name a program and hold no NUL character", remedy)
    return tuple(value)


def _duration(value: object) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise _wrong("timeout", str(error)) from None
    if not seconds > 0:
        raise _wrong("timeout", "must be above 0")
    return seconds


def _size(value: object) -> int:
    try:
        size = parse_size(value)
    except ValueError as error:
        raise _wrong("memory", str(error)) from None
    if size <= 0:
        raise _wrong("memory", "must be above 0")
    return size


def _cores(value: object) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < number < math.inf:
        raise _wrong("cpus", "must be a number above 0")
    return float(number)


def _wrong(name: str, what: str, remedy: str = "") -> ProposerError:
    return ProposerError(f"lab.toml [strategy] {name}: {what}", remedy)
