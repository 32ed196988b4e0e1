"""What a scorer sees of a candidate's outputs: the files that left the sandbox, or their canonical copies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from lab_plugin.config import OutputSchema
from lab_plugin.outputs import canonical_outputs
from lab_plugin.sandbox import Execution


class Seen(NamedTuple):
    """What is shown to the scorer.

    Attributes:
        folder: Shown read-only.
        faults: Output -> the rule that it broke; nothing may be scored unless it is empty.
    """

    folder: Path
    faults: Mapping[str, str]


async def seen_outputs(
    schemas: Mapping[str, OutputSchema], execution: Execution, folder: Path, snapshot: Path
) -> Seen:
    """Hold a candidate's outputs against their schemas.

    Args:
        schemas: `[candidate] schemas`.
        execution: The candidate's run, which ended well.
        folder: The trial's.
        snapshot: The scorer's files as locked.

    Raises:
        ConfigError: A JSON schema cannot be used.
    """
    if schemas:
        copies = folder / "canonical"
        faults = await asyncio.to_thread(canonical_outputs, schemas, execution.outputs, copies, snapshot)
        return Seen(copies, faults)
    outputs = folder / "candidate" / "outputs"
    outputs.mkdir(exist_ok=True)
    outputs.chmod(0o755)
    return Seen(outputs, {})
