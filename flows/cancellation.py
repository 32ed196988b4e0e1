"""What is done with flow runs in the Prefect UI reaches this process, which Prefect itself does not see to.

Cancel on the campaign's run stops the campaign, Cancel on an iteration's run ends that idea, and a campaign
whose run is paused starts nothing new until it is resumed. The rest of the queue is a variable there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException

from lab_plugin.campaign import Campaign
from lab_plugin.flows.queue_variable import QueueVariable

_POLL_SECONDS = 5.0
_BY = "the owner in the Prefect UI"
_ENDING = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING]))
_log = logging.getLogger("prefect.lab")


@asynccontextmanager
async def watching(flow_run: str, this: Campaign) -> AsyncIterator[None]:
    """Follow the campaign's flow run and those of its iterations for as long as the context lasts.

    Args:
        flow_run: Id of the campaign's.
        this: The campaign.
    """
    watcher = asyncio.create_task(_watch(UUID(flow_run), this))
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def _watch(flow_run: UUID, this: Campaign) -> None:
    variable = QueueVariable(this.lab)
    async with get_client() as client:
        while not this.control.stop_reason:
            try:
                await variable.look(client, this.control.wishes)
                await asyncio.sleep(_POLL_SECONDS)
                await _look(client, flow_run, this)
            except asyncio.CancelledError:
                # The campaign is over.
                with suppress(httpx.HTTPError, PrefectException):
                    await variable.remove(client)
                raise
            except (httpx.HTTPError, PrefectException) as error:
                _log.debug("The campaign's own state cannot be read: %s", error)
                await asyncio.sleep(_POLL_SECONDS)


async def _look(client: PrefectClient, flow_run: UUID, this: Campaign) -> None:
    state = (await client.read_flow_run(flow_run)).state
    if state is not None and (state.is_cancelling() or state.is_cancelled()):
        this.stop("cancelled in the Prefect UI")
        return
    this.control.pause("paused in the Prefect UI" if state is not None and state.is_paused() else "")
    children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run]), state=_ENDING)
    for run in await client.read_flow_runs(flow_run_filter=children):
        number = run.parameters.get("number")
        if isinstance(number, int):
            this.control.cancel(number, _BY)
