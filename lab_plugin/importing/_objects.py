"""JSON as others write it, taken strictly: each key once."""

from __future__ import annotations

import json
from typing import Any

from lab_plugin.repeated_keys import repeated_key


def parse_object(text: str) -> dict[str, Any]:
    """Read one JSON object; numbers in it may be NaN or infinite, as Python and others write them.

    Raises:
        ValueError: It is none, or has a key twice; the message says why.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_int)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} (character {error.pos + 1})") from None
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (twice := repeated_key(pairs)) is not None:
        raise ValueError(f"the key {twice[:100]!r} stands in it twice")
    return dict(pairs)


def _int(text: str) -> int | float:
    # int() takes time in the square of the digits.
    return int(text) if len(text) < 300 else float(text)
