"""Trials as flow runs on work pools: started, waited for, and cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelling, Pending
from prefect.tasks import Task

from lab_plugin.config import Config
from lab_plugin.errors import FleetError
from lab_plugin.fleet import (
    ensure_trial_deployment,
    gpu_limit,
    queues_of,
    require_pool,
    trial_command,
    workers_of,
)
from lab_plugin.flows.asking import Asking
from lab_plugin.flows.following import Follower
from lab_plugin.remote import Ended, Tell, TrialOrder

# From a worker's claim to the first line of the flow: a busy machine takes half a minute for a process.
_PROCESS_SECONDS, _CONTAINER_SECONDS = 180.0, 900.0
_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_ORDER = "order:"
# Stands for the trial in its iteration's graph.
_PLACE: Task[Any, Any] = Task(fn=lambda: None, name="trial")
_log = logging.getLogger("prefect.lab")


class PrefectDispatcher:
    """A `Dispatcher` over the Prefect API. Made by `dispatching`.

    Args:
        client: Talks with the API.
        config: The lab's.
        tag: Of all runs of the lab.
        tell: Told what the owner should know.
    """

    def __init__(self, client: PrefectClient, config: Config, tag: str, tell: Tell) -> None:
        self._client = client
        self._config = config
        self._tag = tag
        self._asking = Asking(client, tell)
        self._follower = Follower(self._asking, tell)
        self._started: set[str] = set()
        self._deployments: dict[str, UUID] = {}
        self._starting: dict[str, float] = {}
        self._variables: dict[str, dict[str, Any]] = {}
        self._queues = {tier.name: tier.queue or None for tier in config.tiers}

    async def prepare(self) -> None:
        """See that every pool takes runs where they will wait, and has the deployment for trials.

        Raises:
            PoolError: One is missing, or it or a queue takes no runs.
        """
        for pool, queues in queues_of(self._config).items():
            found = await require_pool(self._client, pool, queues)
            self._starting[pool] = _PROCESS_SECONDS if found.type == "process" else _CONTAINER_SECONDS
            command, settings = trial_command(found), self._config.pools.get(pool)
            image = settings.image if settings is not None else None
            variables = {"command": command, "image": image}
            self._variables[pool] = {name: value for name, value in variables.items() if value is not None}
            self._deployments[pool] = await ensure_trial_deployment(self._client, pool)

    async def unfinished(self) -> Mapping[str, str]:
        """See `Dispatcher`."""
        wanted = FlowRunFilter.model_validate(
            {"tags": {"all_": [self._tag, "lab-trial"]}, "state": {"type": {"any_": _UNFINISHED}}}
        )
        found: dict[str, str] = {}
        for run in await self._asking.runs(wanted):
            order = next((tag.removeprefix(_ORDER) for tag in run.tags if tag.startswith(_ORDER)), "")
            if order:
                found[order] = str(run.id)
        return found

    async def start(self, order: TrialOrder, pool: str) -> str:
        """See `Dispatcher`."""
        key = f"{order.id}-{uuid4()}"
        limit = gpu_limit(pool) if order.gpus and self._counts_cards(pool) else ""
        place = await self._asking.patiently(lambda: self._place(key))
        tags = ["lab", self._tag, "lab-trial", f"{_ORDER}{order.id}", f"pool:{pool}"]

        def create() -> Awaitable[FlowRun]:
            return self._client.create_flow_run_from_deployment(
                self._deployments[pool],
                parameters={"order": order.model_dump(mode="json"), "gpu_limit": limit},
                name=f"{order.number:04d} {order.tier} seed {order.seed}",
                tags=tags,
                idempotency_key=key,
                job_variables=self._variables[pool],
                work_queue_name=self._queues.get(order.tier),
                parent_task_run_id=place,
            )

        try:
            run = str((await self._asking.patiently(create)).id)
        except ObjectNotFound:
            raise FleetError(
                f"The deployment trial/{pool} was removed while the campaign runs.",
                "`lab run` makes it again.",
            ) from None
        self._started.add(run)
        return run

    async def wait(self, run: str, pool: str) -> Ended:
        """See `Dispatcher`."""
        starting = self._starting.get(pool, _CONTAINER_SECONDS)
        try:
            return await self._follower.ended(run, pool, starting=starting, is_new=run in self._started)
        finally:
            self._started.discard(run)

    async def cancel(self, run: str, why: str) -> None:
        """See `Dispatcher`; the worker ends the process of a run that is cancelled."""
        try:
            await self._client.set_flow_run_state(UUID(run), Cancelling(message=why))
        except ObjectNotFound:
            return
        except (httpx.HTTPError, PrefectException) as error:
            _log.warning("A trial may go on that nobody waits for: %s", error)

    async def workers(self, pool: str) -> frozenset[str]:
        """See `Dispatcher`."""
        found = await self._asking.patiently(lambda: workers_of(self._client, pool))
        return frozenset(worker.name for worker in found)

    async def follow(self) -> None:
        """Look at all runs that somebody waits for, for ever."""
        await self._follower.follow()

    def _counts_cards(self, pool: str) -> bool:
        settings = self._config.pools.get(pool)
        return settings is not None and settings.gpus is not None

    async def _place(self, key: str) -> UUID | None:
        """Its place in the graph of the run that it is started from."""
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            return None
        place = await self._client.create_task_run(
            _PLACE, context.flow_run.id, dynamic_key=key, name="trial", state=Pending()
        )
        return place.id


@asynccontextmanager
async def dispatching(config: Config, tag: str, tell: Tell) -> AsyncIterator[PrefectDispatcher | None]:
    """What brings a lab's trials to workers, for as long as the context lasts; None where no tier has a pool.

    Args:
        config: The lab's.
        tag: Of all runs of the lab.
        tell: Told what the owner should know.

    Raises:
        PoolError: A pool is missing, or it or a queue takes no runs.
    """
    if not any(tier.pool for tier in config.tiers):
        yield None
        return
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(get_client())
        dispatcher = PrefectDispatcher(client, config, tag, tell)
        await dispatcher.prepare()
        following = asyncio.create_task(dispatcher.follow())
        try:
            yield dispatcher
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
