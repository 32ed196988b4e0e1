"""The flow runs of trials that somebody waits for, looked at with one request for all."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectException
from prefect.states import Crashed

from lab_plugin.errors import FleetError, PoolError
from lab_plugin.fleet import require_pool, workers_of
from lab_plugin.flows.asking import Asking
from lab_plugin.flows.signs import REFUSED, read_refusal
from lab_plugin.remote import Ended, Tell
from lab_plugin.scorer import clean

POLL_SECONDS = 0.5
WORKER_SECONDS = 30.0
"""A trial that no worker has taken for so long, where none is online, is told of."""

LOST_VARIABLE = "PREFECT_LAB_LOST_AFTER"
LOST_SECONDS = 60.0
"""Without a sign of life a running trial is lost; `PREFECT_LAB_LOST_AFTER` sets another number."""

_LEAST_LOST_SECONDS = 15.0
_DEAF_SECONDS = 5.0
# Said by the API itself, of runs whose parent was cancelled: no owner ended the trial.
_ORPHANED = "The parent flow run was cancelled."
_log = logging.getLogger("prefect.lab")


@dataclass
class _Followed:
    """A run that somebody waits for.

    Attributes:
        pool: The work pool.
        starting: Seconds that it may take from a worker's claim to the first line of the flow.
        is_new: It was started by this campaign's process; others were found.
        ended: How, once it is over.
        news: What the API last said of it.
        since: When that was new, by this process's clock: other machines' clocks may be wrong.
        told: That no worker takes it.
    """

    pool: str
    starting: float
    is_new: bool
    ended: asyncio.Future[Ended]
    news: object = None
    since: float = field(default_factory=time.monotonic)
    told: bool = False


class Follower:
    """Tells how runs ended, and which of them are lost.

    Args:
        asking: Talks with the API.
        tell: Told what the owner should know.
    """

    def __init__(self, asking: Asking, tell: Tell) -> None:
        self._asking = asking
        self._client = asking.client
        self._tell = tell
        self._followed: dict[str, _Followed] = {}
        self._fault: Exception | None = None
        self._lost_after = max(_LEAST_LOST_SECONDS, _lost_seconds())

    async def ended(self, run: str, pool: str, *, starting: float, is_new: bool) -> Ended:
        """Wait for the end of a run.

        Args:
            run: Id of the flow run.
            pool: The work pool.
            starting: Seconds that it may take from a worker's claim to the first line of the flow.
            is_new: It was started by this process, rather than found.
        """
        followed = _Followed(pool, starting, is_new, asyncio.get_running_loop().create_future())
        self._followed[run] = followed
        if self._fault is not None:
            raise self._fault
        try:
            return await followed.ended
        finally:
            self._followed.pop(run, None)

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
        runs = {str(run.id): run for run in await self._asking.runs(wanted)}
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
        elif silent > self._patience(followed, state.is_running()):
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

    def _patience(self, followed: _Followed, running: bool) -> float:
        """Seconds of silence; one that is not yet running may wait for a container or for a machine."""
        return self._lost_after if running else max(2 * self._lost_after, followed.starting)

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


def _lost_seconds() -> float:
    text = os.environ.get(LOST_VARIABLE) or str(LOST_SECONDS)
    try:
        if not math.isnan(seconds := float(text)):
            return seconds
    except ValueError:
        pass
    raise FleetError(f"{LOST_VARIABLE} is a number of seconds, not {text!r}.", f"Such as {LOST_VARIABLE}=60.")


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
