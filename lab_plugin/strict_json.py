"""JSON as the standard has it, where Python's reader would take more and say nothing."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from lab_plugin.repeated_keys import repeated_key


class NotStrict(ValueError):
    """Python reads it, and others do not or read something else; the text goes on after a subject."""


def load_strict(text: str) -> Any:
    """Read a document in which each key stands once in its object, and every constant is one of JSON.

    A number that is too large for a float is read as an infinity.

    Raises:
        NotStrict: It has a duplicate key, or holds NaN or an infinity by name.
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if repeated_key(pairs) is not None:
        raise NotStrict("has a duplicate key")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise NotStrict(f"holds {name}, which is no finite number")
