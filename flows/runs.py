"""The flow runs of iterations: subflows of the campaign, named from the start, at half of the requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.states import Pending, to_state_create
from prefect.tasks import Task

from lab_plugin.flows.iteration import iteration

# Stands for the subflow in its parent's graph; Prefect puts such a task there itself for a called flow.
_PLACE = Task(fn=iteration.fn, name=iteration.name)


@dataclass(kw_only=True)
class _Engine(AsyncFlowRunEngine[Any, Any]):
    """Prefect's engine on a flow run of our making; given one from outside, it would write to it first."""

    make: Callable[[], Awaitable[FlowRun]]

    async def create_flow_run(self, client: PrefectClient) -> FlowRun:
        return await self.make()


class IterationRuns:
    """Runs one campaign's iterations.

    A flow that is simply called looks for a run to take up, asks for its flow's id, and is renamed after it
    was made; one that is given its run updates it first: each a request, every time.

    Args:
        client: Talks with the API.
        campaign: The campaign's own flow run.
        lab: Folder of the lab.
        tags: Of every iteration.
    """

    def __init__(self, client: PrefectClient, campaign: UUID, lab: str, tags: set[str]) -> None:
        self._client = client
        self._campaign = campaign
        self._lab = lab
        self._tags = sorted(tags)
        self._flow: UUID | None = None

    async def run(self, number: int) -> State[Any]:
        """Run the iteration of one idea; returns the final state of its flow run, whatever that is."""
        parameters = {"lab": self._lab, "number": number}
        engine = _Engine(flow=iteration, parameters=parameters, make=lambda: self._make(number, parameters))
        async with engine.start():
            while engine.is_running():
                async with engine.run_context():
                    _ = await engine.call_flow_fn()
        return engine.state

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
