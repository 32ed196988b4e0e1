"""A cancel in the Prefect UI reaches a flow of this process, which Prefect itself does not see to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

_POLL_SECONDS = 5.0
_log = logging.getLogger("prefect.lab")


@asynccontextmanager
async def watching(flow_run: str, stop: Callable[[str], None]) -> AsyncIterator[None]:
    """Call `stop` with the reason when the flow run is cancelled from outside."""
    watcher = asyncio.create_task(_watch(UUID(flow_run), stop))
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def _watch(flow_run: UUID, stop: Callable[[str], None]) -> None:
    async with get_client() as client:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                state = (await client.read_flow_run(flow_run)).state
            except (httpx.HTTPError, PrefectException) as error:
                _log.debug("The campaign's own state cannot be read: %s", error)
                continue
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                stop("cancelled in the Prefect UI")
                return
