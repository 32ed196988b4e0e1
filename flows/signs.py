"""What a trial's flow run and a campaign tell each other through Prefect: names of states, signs of life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from lab_plugin.errors import LabError
from lab_plugin.remote import worker_name
from lab_plugin.scorer import clean

BEAT_SECONDS = 5.0
"""Between two signs of life of a trial's flow run."""

REFUSED = "Refused"
"""State of a trial that this worker cannot run, and another one may."""

_SEPARATOR = " says: "
_log = logging.getLogger("prefect.lab")


@asynccontextmanager
async def alive(run: UUID, name: str) -> AsyncIterator[None]:
    """Show signs of life of a flow run for as long as the context lasts.

    Prefect's own come every 30 s at most; and whoever waits for many runs sees these in the one request that
    asks for all their states: each changes when the API last had news of the run.
    """

    async def beat() -> None:
        while True:
            try:
                async with get_client() as client:
                    while True:
                        await asyncio.sleep(BEAT_SECONDS)
                        await client.update_flow_run(run, name=name)
            except (httpx.HTTPError, PrefectException, RuntimeError) as error:
                _log.debug("No sign of life was shown: %s", error)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


def refusal(error: LabError) -> str:
    """The message of the state of a worker that refuses."""
    remedy = f" Remedy: {error.remedy}" if error.remedy else ""
    told = " ".join(f"{error.message.rstrip('.')}.{remedy}".split())
    return f"{worker_name()}{_SEPARATOR}{told}"[:2_000]


def read_refusal(message: str) -> tuple[str, str]:
    """Name of the worker, and what it says."""
    worker, _, told = message.partition(_SEPARATOR)
    return clean(worker), clean(told or worker)
