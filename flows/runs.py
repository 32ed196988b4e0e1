"""The flow runs of iterations: subflows of the campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State

from lab_plugin.flows.iteration import iteration
from lab_plugin.flows.stage import WAITING
from lab_plugin.flows.subflows import SubflowEngine, Subflows, subflows


@dataclass(kw_only=True)
class _Engine(SubflowEngine):
    """Runs an iteration.

    Attributes:
        landed: Set when the flow's own work is done, and only its last state is still to be told.
    """

    landed: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_success(self, result: Any) -> Any:
        # What waits may have its verdict at once, and its run another last state after this one.
        if not isinstance(result, State) or result.name != WAITING:
            self.landed.set()
        return await super().handle_success(result)


class IterationRuns:
    """Runs one campaign's iterations.

    Args:
        client: Talks with the API.
        campaign: The campaign's own flow run.
        lab: Folder of the lab.
        tags: Of every iteration.
        failed: Called with the reason when a run failed; the failure is raised too.
        most: Runs whose last state may still be under way to the API.
    """

    def __init__(
        self,
        client: PrefectClient,
        campaign: UUID,
        lab: str,
        tags: set[str],
        failed: Callable[[str], None],
        most: int = 1,
    ) -> None:
        self._subflows = Subflows(client)
        self._campaign = campaign
        self._lab = lab
        self._tags = tags
        self._failed = failed
        self._most = most
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self, number: int) -> None:
        """Run the iteration of one idea, until its work is done; its last state follows in the background.

        Raises:
            Exception: What it failed with.
        """
        parameters = {"lab": self._lab, "number": number}
        engine = _Engine(flow=iteration, parameters=parameters, make=lambda: self._make(number, parameters))
        subflows.set(self._subflows)
        play = asyncio.create_task(self._play(engine))
        landed = asyncio.create_task(engine.landed.wait())
        try:
            await asyncio.wait((play, landed), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            play.cancel()
            await asyncio.wait((play,))
            raise
        finally:
            landed.cancel()
        self._ending.add(play)
        self._forget_ended()
        # An API that is slow is not to be left behind further and further.
        while len(self._ending) > self._most:
            await asyncio.wait(self._ending, return_when=asyncio.FIRST_COMPLETED)
            self._forget_ended()

    async def finish(self) -> None:
        """Wait until the API knows the last state of all runs.

        Raises:
            Exception: What one of them failed with.
        """
        if self._ending:
            await asyncio.wait(self._ending)
        self._forget_ended()

    def _forget_ended(self) -> None:
        ended = {play for play in self._ending if play.done()}
        self._ending -= ended
        for play in ended:
            play.result()

    async def _play(self, engine: _Engine) -> None:
        """Run an iteration to its last state; what breaks one stops the campaign, and no verdict is lost."""
        try:
            state = await engine.play()
            if state.is_failed() or state.is_crashed():
                await state.aresult()
        except BaseException as error:
            self._failed(f"{type(error).__name__}: {error}")
            raise

    async def _make(self, number: int, parameters: dict[str, Any]) -> FlowRun:
        name = f"{number:04d}"
        return await self._subflows.make(iteration, self._campaign, name, parameters, self._tags)
