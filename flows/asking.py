"""The Prefect API, asked until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectException

from lab_plugin.remote import Tell

_PAGE = 200
_LONGEST_PAUSE = 10.0
_SAID_AFTER = 4.0
T = TypeVar("T")


class Asking:
    """A client that outlasts an API that is gone.

    Args:
        client: Talks with the API.
        tell: Told that it does not answer, and that it does again.
    """

    def __init__(self, client: PrefectClient, tell: Tell) -> None:
        self.client = client
        self._tell = tell

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask until the API answers; a fault of ours is no reason to ask again.

        Args:
            call: One question.

        Raises:
            ObjectNotFound: What is asked for is not there.
            httpx.HTTPStatusError: The API refuses the question.
        """
        pause, told = 0.5, False
        while True:
            try:
                answer = await call()
            except ObjectNotFound:
                raise
            except (httpx.TransportError, httpx.HTTPStatusError, PrefectException) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
                    raise
                if not told and pause > _SAID_AFTER:
                    self._tell(f"The Prefect API does not answer ({type(error).__name__}); trials go on.")
                    told = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                if told:
                    self._tell("The Prefect API answers again.")
                return answer

    async def runs(self, wanted: FlowRunFilter) -> list[FlowRun]:
        """All flow runs that a filter finds, however many."""
        return await self.patiently(partial(self._pages, wanted))

    async def _pages(self, wanted: FlowRunFilter) -> list[FlowRun]:
        found: list[FlowRun] = []
        while True:
            page = await self.client.read_flow_runs(
                flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=len(found)
            )
            found += page
            if len(page) < _PAGE:
                return found
