"""Trials as flow runs on work pools: started, followed with one request for all, and ended."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelling, Crashed, Pending
from prefect.tasks import Task

from lab_plugin.config import Config
from lab_plugin.errors import FleetError, PoolError
from lab_plugin.fleet import (
    ensure_trial_deployment,
    gpu_limit,
    queues_of,
    require_pool,
    trial_command,
    workers_of,
)
from lab_plugin.flows.signs import REFUSED, read_refusal
from lab_plugin.remote import Ended, Tell, TrialOrder
from lab_plugin.scorer import clean

POLL_SECONDS = 0.5
WORKER_SECONDS = 30.0
"""A trial that no worker has taken for so long, where none is online, is told of."""

LOST_VARIABLE = "PREFECT_LAB_LOST_AFTER"
LOST_SECONDS = 60.0
"""Without a sign of life a running trial is lost; `PREFECT_LAB_LOST_AFTER` sets another number."""

# From a worker's claim to the first line of the flow: a busy machine takes half a minute for a process.
_PROCESS_SECONDS, _CONTAINER_SECONDS = 180.0, 900.0
_DEAF_SECONDS = 5.0
_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_PAGE = 200
_ORDER = "order:"
# Said by the API itself, of runs whose parent was cancelled: no owner ended the trial.
_ORPHANED = "The parent flow run was cancelled."
# Stands for the trial in its iteration's graph.
_PLACE: Task[Any, Any] = Task(fn=lambda: None, name="trial")
_log = logging.getLogger("prefect.lab")
T = TypeVar("T")


@dataclass
class _Followed:
    """A run that somebody waits for.

    Attributes:
        pool: The work pool.
        ended: How, once it is over.
        news: What the API last said of it.
        since: When that was new, by this process's clock: other machines' clocks may be wrong.
        told: That no worker takes it.
        is_new: It was started by this campaign's process; others were found.
    """

    pool: str
    ended: asyncio.Future[Ended]
    is_new: bool
    news: object = None
    since: float = field(default_factory=time.monotonic)
    told: bool = False


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
        self._tell = tell
        self._deployments: dict[str, UUID] = {}
        self._processes: dict[str, bool] = {}
        self._variables: dict[str, dict[str, Any]] = {}
        self._queues = {tier.name: tier.queue or None for tier in config.tiers}
        self._followed: dict[str, _Followed] = {}
        self._started: set[str] = set()
        self._fault: Exception | None = None
        self._lost_after = max(15.0, float(os.environ.get(LOST_VARIABLE) or LOST_SECONDS))

    async def prepare(self) -> None:
        """See that every pool takes runs where they will wait, and has the deployment for trials.

        Raises:
            PoolError: One is missing or paused, or a queue of it.
        """
        for pool, queues in queues_of(self._config).items():
            found = await require_pool(self._client, pool, queues)
            self._processes[pool] = found.type == "process"
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
        for run in await self._patiently(lambda: self._pages(wanted)):
            order = next((tag.removeprefix(_ORDER) for tag in run.tags if tag.startswith(_ORDER)), "")
            if order:
                found[order] = str(run.id)
        return found

    async def start(self, order: TrialOrder, pool: str) -> str:
        """See `Dispatcher`."""
        key = f"{order.id}-{uuid4()}"
        limit = gpu_limit(pool) if order.gpus and self._counts_cards(pool) else ""
        place = await self._patiently(lambda: self._place(key))
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
            run = str((await self._patiently(create)).id)
        except ObjectNotFound:
            raise FleetError(
                f"The deployment trial/{pool} was removed while the campaign runs.",
                "`lab run` makes it again.",
            ) from None
        self._started.add(run)
        return run

    async def wait(self, run: str, pool: str) -> Ended:
        """See `Dispatcher`."""
        followed = _Followed(pool, asyncio.get_running_loop().create_future(), run in self._started)
        self._followed[run] = followed
        if self._fault is not None:
            raise self._fault
        try:
            return await followed.ended
        finally:
            self._followed.pop(run, None)
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
        found = await self._patiently(lambda: workers_of(self._client, pool))
        return frozenset(worker.name for worker in found)

    async def follow(self) -> None:
        """Look at all runs that somebody waits for, for ever."""
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                if self._followed:
                    await self._look_at_all()
        except Exception as error:
            # Whoever waits, now or later, would wait for ever.
            self._fault = error
            for followed in self._followed.values():
                if not followed.ended.done():
                    followed.ended.set_exception(error)
            raise

    async def _look_at_all(self) -> None:
        ids, asked = list(self._followed), time.monotonic()
        wanted = FlowRunFilter.model_validate({"id": {"any_": ids}})
        runs = {str(run.id): run for run in await self._patiently(partial(self._pages, wanted))}
        deaf = time.monotonic() - asked
        for id_ in ids:
            if (followed := self._followed.get(id_)) is None or followed.ended.done():
                continue
            if deaf > _DEAF_SECONDS:
                # No sign of life could reach the API meanwhile either.
                followed.since = time.monotonic()
            try:
                await self._look(followed, runs.get(id_))
            except (httpx.HTTPError, PrefectException) as error:
                _log.debug("A trial's pool cannot be looked at: %s", error)

    async def _look(self, followed: _Followed, run: FlowRun | None) -> None:
        if run is None or run.state is None:
            followed.ended.set_result(Ended("lost", message="its flow run was deleted"))
            return
        state = run.state
        if state.is_final() or state.is_cancelling():
            followed.ended.set_result(_ending(run))
            return
        news = (state.id, run.updated)
        if news != followed.news:
            age = await self._age(run) if followed.news is None and not followed.is_new else 0.0
            followed.news, followed.since = news, time.monotonic() - age
            return
        silent = time.monotonic() - followed.since
        if state.is_scheduled():
            if silent > WORKER_SECONDS and not followed.told:
                followed.told = True
                await self._tell_why_waiting(followed.pool, run.work_queue_name or "")
        elif silent > self._patience(followed.pool, state.is_running()):
            message = f"no sign of life for {silent:.0f} s"
            # So that the UI does not show it as running for ever.
            await self._client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            if not followed.ended.done():
                followed.ended.set_result(Ended("lost", message=message))

    async def _age(self, run: FlowRun) -> float:
        """Seconds for which a run that was found is about to start, by the API's clock alone.

        Campaigns that are killed sooner than a process may take to start would else wait for ever for one
        whose worker was killed. A trial that runs is not judged by it: while the API is gone, it can show no
        life.
        """
        if run.state is None or not run.state.is_pending() or run.updated is None:
            return 0.0
        answer = await self._client.hello()
        try:
            return max(0.0, (parsedate_to_datetime(answer.headers["date"]) - run.updated).total_seconds())
        except (KeyError, ValueError, TypeError):
            return 0.0

    def _counts_cards(self, pool: str) -> bool:
        settings = self._config.pools.get(pool)
        return settings is not None and settings.gpus is not None

    def _patience(self, pool: str, running: bool) -> float:
        """Seconds of silence; one that is not yet running may wait for a container or for a machine."""
        if running:
            return self._lost_after
        starting = _PROCESS_SECONDS if self._processes.get(pool) else _CONTAINER_SECONDS
        return max(2 * self._lost_after, starting)

    async def _tell_why_waiting(self, pool: str, queue: str) -> None:
        try:
            await require_pool(self._client, pool, [queue])
        except PoolError as error:
            self._tell(f"{error.message} Its trials wait. {error.remedy}")
            return
        if not await workers_of(self._client, pool):
            self._tell(
                f"No worker of the pool {pool!r} is online, and its trials wait. Start one: "
                f"prefect worker start --pool {pool!r}, or `lab up` on this machine."
            )

    async def _pages(self, wanted: FlowRunFilter) -> list[FlowRun]:
        found: list[FlowRun] = []
        while True:
            page = await self._client.read_flow_runs(
                flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=len(found)
            )
            found += page
            if len(page) < _PAGE:
                return found

    async def _place(self, key: str) -> UUID | None:
        """Its place in the graph of the run that it is started from."""
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            return None
        place = await self._client.create_task_run(
            _PLACE, context.flow_run.id, dynamic_key=key, name="trial", state=Pending()
        )
        return place.id

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask the API until it answers; a fault of ours is no reason to ask again."""
        pause, told = 0.5, False
        while True:
            try:
                answer = await call()
            except ObjectNotFound:
                raise
            except (httpx.TransportError, httpx.HTTPStatusError, PrefectException) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
                    raise
                if not told and pause > 4:
                    self._tell(f"The Prefect API does not answer ({type(error).__name__}); trials go on.")
                    told = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)
            else:
                if told:
                    self._tell("The Prefect API answers again.")
                return answer


@asynccontextmanager
async def dispatching(config: Config, tag: str, tell: Tell) -> AsyncIterator[PrefectDispatcher | None]:
    """What brings a lab's trials to workers, for as long as the context lasts; None where no tier has a pool.

    Args:
        config: The lab's.
        tag: Of all runs of the lab.
        tell: Told what the owner should know.

    Raises:
        PoolError: A pool is missing or paused, or a queue of it.
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


def _ending(run: FlowRun) -> Ended:
    state = run.state
    assert state is not None
    message = state.message or ""
    if state.is_cancelling() or state.is_cancelled():
        return Ended("lost", message=message) if message == _ORPHANED else Ended("cancelled")
    if state.is_completed():
        return Ended("done")
    if state.name == REFUSED:
        return Ended("refused", *read_refusal(message))
    return Ended("lost", message=f"{state.name}: {clean(message)}")
