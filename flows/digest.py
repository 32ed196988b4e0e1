"""What a lab did in a day or a week, as an artifact: for a schedule."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from lab_plugin.digest import Digest, Period, digest_text, make_digest
from lab_plugin.flows.notices import logged_notices
from lab_plugin.lab import Lab
from lab_plugin.opening import open_in_flow
from lab_plugin.sharing import beside


@flow(name="digest", persist_result=False)
async def digest(lab: str = ".", period: Literal["daily", "weekly"] = "daily") -> State[Any]:
    """Say what was tried, what was kept, what it cost, and what waits for a person.

    What the git remote of a shared lab has is taken in first.

    Args:
        lab: Folder of the lab, with its lab.toml.
        period: How far to look back: a day or a week.
    """
    this = await open_in_flow(Path(lab))
    try:
        with logged_notices():
            found = await asyncio.to_thread(_make, this, period)
    finally:
        this.close()
    kept = found.verdicts.get("kept", 0)
    name = f"{found.lab} {period}: {found.ideas} ideas, {kept} kept"
    await acreate_markdown_artifact(
        key=f"{found.lab}-digest-{period}", markdown=digest_text(found), description=name
    )
    async with get_client() as client:
        await client.update_flow_run(UUID(flow_run.id), name=name, tags=sorted({*flow_run.tags, this.tag}))
    return Completed(message=name)


def _make(lab: Lab, period: Period) -> Digest:
    with beside(lab, publishes=False):
        return make_digest(lab, period)
