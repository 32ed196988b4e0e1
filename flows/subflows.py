"""Flow runs within a flow run, named and running from the start, at half of the requests.

A flow that is simply called looks for a run to take up, asks for its flow's id, is pending before it is
running, reads its run again, and is renamed after it was made; one that is given its run updates it first:
each a request, every time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.flows import Flow
from prefect.states import Running, to_state_create
from prefect.tasks import Task

from lab_plugin.flows.deployed import keep_sigterm


class _KnowingClient(PrefectClient):
    """Another client that need not ask for the one run that it knows."""

    def __init__(self, client: PrefectClient, run: FlowRun) -> None:
        self.__dict__.update(vars(client))
        self._run = run

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        return self._run if flow_run_id == self._run.id else await super().read_flow_run(flow_run_id)


@dataclass(kw_only=True)
class SubflowEngine(AsyncFlowRunEngine[Any, Any]):
    """Prefect's engine on a flow run of our making.

    A signal that ends the campaign is never raised in the subflow's code.

    Attributes:
        make: Makes the flow run, as running.
        returned: By the flow, once it has.
    """

    make: Callable[[], Awaitable[FlowRun]]
    returned: Any = field(default=None, init=False)

    @property
    def heartbeat_seconds(self) -> int | None:
        """None: the campaign's run has a heartbeat, and what runs within it lives and dies with it."""
        return None

    async def create_flow_run(self, client: PrefectClient) -> FlowRun:
        """See Prefect's engine."""
        return await self.make()

    async def begin_run(self) -> State[Any]:
        """Take the signal back, which Prefect took just before; the run is running already."""
        keep_sigterm()
        return self.state

    @asynccontextmanager
    async def setup_run_context(self, client: PrefectClient | None = None) -> AsyncGenerator[Any, None]:
        """See Prefect's engine."""
        run = self.flow_run
        assert run is not None
        # The API has the tags; here each event of each task would name them again, for the API to store.
        known = run.model_copy(update={"tags": []})
        async with super().setup_run_context(_KnowingClient(client or self.client, known)) as engine:
            yield engine

    async def handle_success(self, result: Any) -> Any:
        """See Prefect's engine."""
        self.returned = result
        return await super().handle_success(result)

    async def play(self) -> State[Any]:
        """Run the flow to its last state, whatever that is, with what it holds."""
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _ = await self.call_flow_fn()
        state = self.state
        # An API that died over its answer tells the state to who asks again, without what it holds.
        if state.is_completed() and state.data is None and isinstance(self.returned, State):
            state = state.model_copy(update={"data": self.returned.data})
        return state


class Subflows:
    """Makes the flow runs within the runs of one campaign.

    Args:
        client: Talks with the API.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._known: dict[str, tuple[UUID, Task[Any, Any]]] = {}

    async def make(
        self, flow: Flow[Any, Any], within: UUID, name: str, parameters: dict[str, Any], tags: Iterable[str]
    ) -> FlowRun:
        """Make a run, as running.

        Args:
            flow: What it runs.
            within: The run that it is a part of.
            name: Its own, once within that one.
            parameters: Plain values.
            tags: Its own.
        """
        if flow.name not in self._known:
            # The task stands for the run in the graph around it; for a called flow Prefect makes one too.
            self._known[flow.name] = await self._client.create_flow(flow), Task(fn=flow.fn, name=flow.name)
        flow_id, place = self._known[flow.name]
        placed = await self._client.create_task_run(
            place, within, dynamic_key=name, name=f"{flow.name}-{name}"
        )
        wanted = FlowRunCreate(
            flow_id=flow_id,
            name=name,
            parameters=parameters,
            parent_task_run_id=placed.id,
            state=to_state_create(Running()),
            tags=sorted(tags),
        )
        answer = await self._client.request("POST", "/flow_runs/", json=wanted.model_dump(mode="json"))
        return FlowRun.model_validate(answer.json())


subflows: ContextVar[Subflows] = ContextVar("subflows")
"""Of the campaign that runs here."""
