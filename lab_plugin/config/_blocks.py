"""`block = "TYPE/NAME"`: settings of a table that stand in a Prefect block instead of in `lab.toml`.

What a block says is put where the lab's owner could have written it, and checked as if it stood there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_plugin.toml import Place, Positions

KEY = "block"
"""The key, in any of the tables of `TYPES`."""

TYPES: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "sandbox": {"bubblewrap-sandbox": {"kind": "bubblewrap"}, "docker-sandbox": {"kind": "docker"}},
    "tracking": {"mlflow-tracking": {}},
    "lock": {"scorer-lock": {}},
}
"""Table -> types of blocks that give its settings -> those settings that the type alone tells."""

Blocks = Mapping[str, Mapping[str, object]]
"""A block's `TYPE/NAME` -> the settings that it gives, without its secrets."""

_NAME = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


@dataclass
class Placed:
    """What became of the `block` keys of a document.

    Attributes:
        faults: Place -> what is wrong there.
        origins: Place of a setting -> the block that gave it.
        names: Table -> the blocks that it, or that of a tier, names.
        used: The blocks that were known, with their settings.
    """

    faults: dict[Place, str] = field(default_factory=dict)
    origins: dict[Place, str] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    used: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def unresolved(self, table: str) -> tuple[str, ...]:
        """The blocks of a table whose settings are not known."""
        return tuple(name for name in self.names.get(table, ()) if name not in self.used)

    def origin(self, place: Place) -> str:
        """The block that gave a setting, or what is within it; "" where it stands in the file."""
        while place:
            if place in self.origins:
                return self.origins[place]
            place = place[:-1]
        return ""

    def positions(self, positions: Positions) -> Positions:
        """Lines by place, where a setting that a block gave has the line that names the block."""
        lines = {place: positions.line((*place[:-1], KEY)) for place in self.origins}
        return Positions({**positions.lines, **lines}) if lines else positions


def put_in(document: dict[str, Any], blocks: Blocks) -> Placed:
    """Put the settings of blocks in the place of the keys that name them, in the document itself.

    Args:
        document: The raw file.
        blocks: The settings that are known; of others, only what their type tells is put in.
    """
    placed = Placed()
    for place, table in _tables(document):
        if KEY in table:
            _put(placed, place, table, blocks)
    return placed


def _tables(document: Mapping[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    for kind in TYPES:
        if isinstance(table := document.get(kind), dict):
            yield (kind,), table
    tiers = document.get("tiers")
    for name, tier in tiers.items() if isinstance(tiers, dict) else ():
        if isinstance(tier, dict) and isinstance(table := tier.get("sandbox"), dict):
            yield ("tiers", name, "sandbox"), table


def _put(placed: Placed, place: Place, table: dict[str, Any], blocks: Blocks) -> None:
    kind = str(place[-1])
    name = table.pop(KEY)
    if message := _fault(kind, name):
        placed.faults[(*place, KEY)] = message
        return
    fixed = TYPES[kind][name.partition("/")[0]]
    placed.names[kind] = tuple(dict.fromkeys((*placed.names.get(kind, ()), name)))
    if name in blocks:
        placed.used[name] = blocks[name]
    for key, value in {**blocks.get(name, {}), **fixed}.items():
        if key in table:
            told = ".".join(map(str, (*place, key)))
            placed.faults[(*place, key)] = f'{told}: the block "{name}" gives it too; give it in one place'
            continue
        table[key] = value
        placed.origins[(*place, key)] = name


def _fault(kind: str, name: object) -> str:
    known = " or ".join(f"{slug}/NAME" for slug in TYPES[kind])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{kind}.{KEY}: names a Prefect block as {known}, not {name!r:.60}"
    slug = name.partition("/")[0]
    if slug not in TYPES[kind]:
        return f'{kind}.{KEY}: a block of the type "{slug}" gives no settings of [{kind}]; name {known}'
    return ""
