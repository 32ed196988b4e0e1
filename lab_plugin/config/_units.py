"""Durations and sizes as people write them: "1h30m", "2GiB"."""

from __future__ import annotations

import math
import re
from fractions import Fraction

_SECONDS = {
    "d": Fraction(86_400),
    "h": Fraction(3_600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1_000),
}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_AMOUNT = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_PART = re.compile(rf" ?({_AMOUNT}) ?(ms|[dhms])")
_SIZE = re.compile(rf"({_AMOUNT}) ?([A-Za-z]+)")
_DURATION_HINT = 'a duration is written "90s", "2m", "1h30m", or as a number of seconds'
_SIZE_HINT = 'a size is written "512MB", "2GiB", or as a whole number of bytes'


def parse_duration(value: object) -> float:
    """Read a duration.

    Args:
        value: A number of seconds, or text of amounts with the units d, h, m, s, ms, largest first.

    Returns:
        Seconds, 0 or more, finite.

    Raises:
        ValueError: It is neither; the message says how a duration is written.
    """
    if isinstance(value, str):
        return _duration_of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_DURATION_HINT)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"a duration is finite and not negative; {_DURATION_HINT}")
    return float(value)


def _duration_of_text(text: str) -> float:
    units = list(_SECONDS)
    total = Fraction(0)
    position, smallest = 0, -1
    while match := _PART.match(text, position):
        order = units.index(match[2])
        if order <= smallest:
            raise ValueError(f"the units d, h, m, s, ms come once each and in this order; {_DURATION_HINT}")
        total += Fraction(match[1]) * _SECONDS[match[2]]
        position, smallest = match.end(), order
    if position == 0 or position != len(text) or text[0] == " ":
        raise ValueError(_DURATION_HINT)
    return float(total)


def parse_size(value: object) -> int:
    """Read a size.

    Args:
        value: A whole number of bytes, or an amount with a unit: B, KB, MB, GB, TB (powers of 1000) or
            KiB, MiB, GiB, TiB (powers of 1024), in any case. A fraction of a byte is cut off.

    Returns:
        Bytes, 0 or more.

    Raises:
        ValueError: It is neither; the message says how a size is written.
    """
    if isinstance(value, str):
        return _size_of_text(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(_SIZE_HINT)
    if value < 0:
        raise ValueError(f"a size is not negative; {_SIZE_HINT}")
    return value


def _size_of_text(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(_SIZE_HINT)
    unit = match[2].lower()
    if unit in {"k", "m", "g", "t"}:
        letter = unit.upper()
        raise ValueError(f'the unit "{match[2]}" may mean {letter}B or {letter}iB; write one of them')
    if unit not in _BYTES:
        raise ValueError(f'the unit "{match[2]}" is unknown; {_SIZE_HINT}')
    return int(Fraction(match[1]) * _BYTES[unit])
