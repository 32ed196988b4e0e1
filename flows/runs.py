"""The flow runs of iterations: subflows of the campaign, named from the start, at half of the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Pending, to_state_create
from prefect.tasks import Task

from lab_plugin.flows.engine import CampaignEngine
from lab_plugin.flows.iteration import iteration
from lab_plugin.flows.stage import WAITING

# Stands for the subflow in its parent's graph; Prefect puts such a task there itself for a called flow.
_PLACE = Task(fn=iteration.fn, name=iteration.name)


class _KnowingClient(PrefectClient):
    """Another client that need not ask for the one run that it knows."""

    def __init__(self, client: PrefectClient, run: FlowRun) -> None:
        self.__dict__.update(vars(client))
        self._run = run

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        return self._run if flow_run_id == self._run.id else await super().read_flow_run(flow_run_id)


@dataclass(kw_only=True)
class _Engine(CampaignEngine):
    """Prefect's engine on a flow run of our making; given one from outside, it would write to it first.

    Attributes:
        make: Makes the flow run.
        landed: Set when the flow's own work is done, and only its last state is still to be told.
    """

    make: Callable[[], Awaitable[FlowRun]]
    landed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def heartbeat_seconds(self) -> int | None:
        # The campaign's run has a heartbeat; an iteration lives and dies with it.
        return None

    async def create_flow_run(self, client: PrefectClient) -> FlowRun:
        return await self.make()

    @asynccontextmanager
    async def setup_run_context(self, client: PrefectClient | None = None) -> AsyncGenerator[Any, None]:
        run = self.flow_run
        assert run is not None
        # The API has the tags; here each event of each task would name them again, for the API to store.
        known = run.model_copy(update={"tags": []})
        async with super().setup_run_context(_KnowingClient(client or self.client, known)) as engine:
            yield engine

    async def handle_success(self, result: Any) -> Any:
        # What waits may have its verdict at once, and its run another last state after this one.
        if not isinstance(result, State) or result.name != WAITING:
            self.landed.set()
        return await super().handle_success(result)


class IterationRuns:
    """Runs one campaign's iterations.

    A flow that is simply called looks for a run to take up, asks for its flow's id, reads its run again, and
    is renamed after it was made; one that is given its run updates it first: each a request, every time.

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
        self._client = client
        self._campaign = campaign
        self._lab = lab
        self._tags = sorted(tags)
        self._failed = failed
        self._most = most
        self._ending: set[asyncio.Task[None]] = set()
        self._flow: UUID | None = None

    async def run(self, number: int) -> None:
        """Run the iteration of one idea, until its work is done; its last state follows in the background.

        Raises:
            Exception: What it failed with.
        """
        parameters = {"lab": self._lab, "number": number}
        engine = _Engine(flow=iteration, parameters=parameters, make=lambda: self._make(number, parameters))
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
            if not state.is_cancelled():
                await state.aresult()
        except BaseException as error:
            self._failed(f"{type(error).__name__}: {error}")
            raise

    async def _make(self, number: int, parameters: dict[str, Any]) -> FlowRun:
        if self._flow is None:
            self._flow = await self._client.create_flow(iteration)
        name = f"{number:04d}"
        place = await self._client.create_task_run(
            _PLACE, self._campaign, dynamic_key=name, name=f"{iteration.name}-{name}"
        )
        wanted = FlowRunCreate(
            flow_id=self._flow,
            name=name,
            parameters=parameters,
            parent_task_run_id=place.id,
            state=to_state_create(Pending()),
            tags=self._tags,
        )
        answer = await self._client.request("POST", "/flow_runs/", json=wanted.model_dump(mode="json"))
        return FlowRun.model_validate(answer.json())
