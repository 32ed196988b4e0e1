"""A lab opened with what its Prefect blocks say now; most labs name none, and are simply opened.

Commands that only show what there is use `Lab.open`, which needs no API.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab_plugin import config as configuration
from lab_plugin.home import Home
from lab_plugin.lab import Lab


def open_current(start: Path | None = None) -> Lab:
    """Open the lab at or above a folder, with an API if its blocks need one.

    Args:
        start: A folder, or a `lab.toml`; None for the current folder.

    Raises:
        ConfigError: There is no `lab.toml`, it has faults, or a block that it names does not exist.
        RepositoryError: The lab does not lie in a git repository that can be used.
        ApiError: It names blocks, and the Prefect API cannot be used.
    """
    source, names = _named(start)
    if not names:
        return Lab.open(source)
    from lab_plugin.serving import serving

    with serving(Home.from_environment()):
        return _looked_up(source, names)


async def open_in_flow(start: Path) -> Lab:
    """`open_served` for an async flow."""
    return await asyncio.to_thread(open_served, start)


def open_served(start: Path) -> Lab:
    """`open_current` for a flow, whose process has its API already."""
    source, names = _named(start)
    return _looked_up(source, names) if names else Lab.open(source)


def _named(start: Path | None) -> tuple[Path, tuple[str, ...]]:
    """The lab's file, and the blocks that it names."""
    start = start or Path.cwd()
    source = start if start.is_file() else configuration.find(start)
    return source, configuration.load(source).unresolved()


def _looked_up(source: Path, names: tuple[str, ...]) -> Lab:
    # It imports Prefect, which a lab without blocks may not need.
    from lab_plugin.blocks import look_up

    blocks = look_up(dict.fromkeys(names))
    lab = Lab.open(source, blocks)
    blocks.remember(lab.folder)
    return lab
