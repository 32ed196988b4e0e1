"""Metrics that two scorings of one commit do not share."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.config import USAGE_PREFIX


def differing(
    recorded: Mapping[str, float], found: Mapping[str, float]
) -> dict[str, tuple[float | None, float | None]]:
    """Name -> recorded, found; what the host measures anew each time is left out."""
    both = {name: (recorded.get(name), found.get(name)) for name in sorted(recorded.keys() | found.keys())}
    return {
        name: (old, new)
        for name, (old, new) in both.items()
        if old != new and not name.startswith(USAGE_PREFIX)
    }
