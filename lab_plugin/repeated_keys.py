"""Keys that stand twice in one object of JSON, of which Python's reader would silently take the last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def repeated_key(pairs: Iterable[tuple[str, Any]]) -> str | None:
    """The first key to come a second time; None where each stands once.

    Args:
        pairs: Of one object, as `json.loads` gives them to its `object_pairs_hook`.
    """
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return None
