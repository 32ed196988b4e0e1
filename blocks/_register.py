"""Telling a Prefect API of the lab's types of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.blocks.core import Block

from lab_plugin.blocks._anthropic import AnthropicModel
from lab_plugin.blocks._mlflow import MlflowTracking
from lab_plugin.blocks._repository import LabRepository
from lab_plugin.blocks._sandboxes import BubblewrapSandbox, DockerSandbox
from lab_plugin.blocks._scorer_lock import ScorerLock

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

BLOCKS: tuple[type[Block], ...] = (
    AnthropicModel,
    BubblewrapSandbox,
    DockerSandbox,
    LabRepository,
    MlflowTracking,
    ScorerLock,
)


async def register(client: PrefectClient) -> tuple[str, ...]:
    """Register every type with its schema, as it is in this version. Idempotent.

    Args:
        client: Of the API.

    Returns:
        Their slugs.
    """
    for block in BLOCKS:
        await block.aregister_type_and_schema(client=client)
    return tuple(block.get_block_type_slug() for block in BLOCKS)
