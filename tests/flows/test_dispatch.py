"""Trials that wait, are cancelled, or lose the API, on a real Prefect API whose pools have no worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from lab_plugin import __version__
from lab_plugin.errors import FleetError, PoolError
from lab_plugin.fleet import ensure_pool, trial_command
from lab_plugin.lab import Lab
from lab_plugin.remote import Ended, TrialOrder
from tests.fleet.conftest import Server, client, prefect_environment, server
from tests.ports import free_port
from tests.remote.conftest import lay_out

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import State

    from lab_plugin.flows.dispatch import PrefectDispatcher

__all__ = ["client", "prefect_environment", "server"]

POOL = "box"
OID = "1" * 40
ORDER = TrialOrder(
    version=__version__,
    remote="/nowhere",
    lab="rosenbrock",
    kit=OID,
    scorer=OID,
    candidate=OID,
    lock=OID,
    tier="final",
    name="rosenbrock-0001-0",
    number=1,
    seed=0,
    params={},
)


class Dispatch:
    """A dispatcher, and what it told the owner."""

    def __init__(self, dispatcher: PrefectDispatcher, client: PrefectClient, told: list[str]) -> None:
        self.dispatcher = dispatcher
        self.client = client
        self.told = told

    async def waits(self) -> tuple[UUID, asyncio.Task[Ended]]:
        """A trial that was started, and that is waited for."""
        run = await self.dispatcher.start(ORDER, POOL)
        waiting = asyncio.create_task(self.dispatcher.wait(run, POOL))
        await asyncio.sleep(0)
        return UUID(run), waiting

    async def set(self, run: UUID, state: State[None]) -> None:
        await self.client.set_flow_run_state(run, state, force=True)

    async def says(self, words: str) -> str:
        async with asyncio.timeout(60):
            while True:
                if found := [text for text in self.told if words in text]:
                    return found[0]
                await asyncio.sleep(0.1)


@pytest.fixture
def dispatches(
    client: PrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], object]:
    monkeypatch.setattr("lab_plugin.flows.following.WORKER_SECONDS", 0.5)
    monkeypatch.setenv("PREFECT_LAB_HOME", str(tmp_path / "home"))
    lay_out(tmp_path / "repo", pool=True)
    text = (tmp_path / "repo" / "lab.toml").read_text()

    @asynccontextmanager
    async def open_one(more: str = "") -> AsyncIterator[Dispatch]:
        from lab_plugin.flows.dispatch import dispatching

        (tmp_path / "repo" / "lab.toml").write_text(f"{text}{more}\n")
        lab = Lab.open(tmp_path / "repo")
        lab.close()
        await ensure_pool(client, POOL)
        told: list[str] = []
        async with dispatching(lab.config, "lab:test", told.append) as dispatcher:
            assert dispatcher is not None
            yield Dispatch(dispatcher, client, told)

    return open_one


@pytest.mark.parametrize("seconds", ["soon", "nan"])
async def test_a_time_that_is_none_is_told(
    dispatches: Callable[..., object], monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("PREFECT_LAB_LOST_AFTER", seconds)
    with pytest.raises(FleetError, match=f"PREFECT_LAB_LOST_AFTER is a number of seconds, not '{seconds}'"):
        async with dispatches():  # type: ignore[attr-defined]
            pass


async def test_why_nothing_takes_a_trial_is_said_with_the_command_that_mends_it(
    dispatches: Callable[..., object], client: PrefectClient
) -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate
    from prefect.states import Completed

    async with dispatches() as dispatch:  # type: ignore[attr-defined]
        run, waiting = await dispatch.waits()
        assert "prefect worker start --pool 'box'" in await dispatch.says("No worker of the pool 'box'")
        await client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
        try:
            late, later = await dispatch.waits()
            told = await dispatch.says("is paused")
            assert "Its trials wait" in told and "prefect work-pool resume box" in told
        finally:
            await client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))
        # Each is said once, and both go on.
        for each in (run, late):
            await dispatch.set(each, Completed())
        assert [await waiting, await later] == [Ended("done")] * 2
        assert len(dispatch.told) == 2


async def test_trials_wait_in_the_queue_of_their_tier(
    dispatches: Callable[..., object], client: PrefectClient
) -> None:
    from prefect.states import Completed

    async with dispatches('queue = "urgent"') as dispatch:  # type: ignore[attr-defined]
        run, waiting = await dispatch.waits()
        found = await client.read_flow_run(run)
        assert (found.work_pool_name, found.work_queue_name) == (POOL, "urgent")
        await dispatch.set(run, Completed())
        assert await waiting == Ended("done")


async def test_trials_of_labs_that_share_a_pool_run_in_the_image_of_their_own(
    dispatches: Callable[..., object], client: PrefectClient
) -> None:
    from prefect.states import Completed

    images = ("team-a:1", "team-b:7", None)
    for image in images:
        table = f'[pools.{POOL}]\nkind = "docker"\nimage = "{image}"' if image else ""
        async with dispatches(table) as dispatch:  # type: ignore[attr-defined]
            run, waiting = await dispatch.waits()
            found = await client.read_flow_run(run)
            assert (found.job_variables or {}).get("image") == image
            await dispatch.set(run, Completed())
            assert await waiting == Ended("done")
    deployment = await client.read_deployment_by_name(f"trial/{POOL}")
    assert deployment.job_variables == {}


async def test_a_queue_that_is_paused_is_said_as_a_pool_that_is(
    dispatches: Callable[..., object], client: PrefectClient
) -> None:
    from prefect.states import Completed

    async with dispatches('queue = "halted"') as dispatch:  # type: ignore[attr-defined]
        first, waiting = await dispatch.waits()
        queue = await client.read_work_queue_by_name("halted", POOL)
        await client.update_work_queue(queue.id, is_paused=True)
        late, later = await dispatch.waits()
        told = await dispatch.says('The work queue "halted" of the pool "box" is paused')
        assert "Its trials wait" in told and "prefect work-queue resume halted --pool box" in told
        for each in (first, late):
            await dispatch.set(each, Completed())
        assert [await waiting, await later] == [Ended("done")] * 2
    # A campaign does not begin with it, and the other queues have nothing to do with it.
    with pytest.raises(PoolError, match='queue "halted"'):
        async with dispatches('queue = "halted"'):  # type: ignore[attr-defined]
            raise AssertionError("it began")
    async with dispatches():  # type: ignore[attr-defined]
        pass


async def test_only_its_owner_cancels_a_trial(dispatches: Callable[..., object]) -> None:
    from prefect.states import Cancelling, Running

    async with dispatches() as dispatch:  # type: ignore[attr-defined]
        run, waiting = await dispatch.waits()
        # As the UI does; no worker has ended it yet.
        await dispatch.set(run, Cancelling())
        assert await asyncio.wait_for(waiting, 60) == Ended("cancelled")
        # What the API does to runs below one that was cancelled: a dead campaign's, that this one took over.
        run, waiting = await dispatch.waits()
        await dispatch.set(run, Running())
        await dispatch.set(run, Cancelling(message="The parent flow run was cancelled."))
        assert (await asyncio.wait_for(waiting, 60)).how == "lost"


class Line:
    """The way to an API, which can be cut."""

    def __init__(self, port: int) -> None:
        self._there = port
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        # Nobody else gets it while the line is cut.
        self.port = free_port()

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._there)
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        except asyncio.CancelledError:
            # The test is over; the server would report it as an error.
            return

    @staticmethod
    async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()


async def test_an_api_that_is_gone_for_a_while_costs_no_trial(
    dispatches: Callable[..., object],
    server: Server,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_CLIENT_CUSTOM_HEADERS,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )
    from prefect.states import Completed, Running

    monkeypatch.setenv("PREFECT_LAB_LOST_AFTER", "15")
    line = Line(urlsplit(server.url).port or 0)
    await line.join()
    near = {
        PREFECT_API_URL: f"http://127.0.0.1:{line.port}/api",
        # The API answers to its own address alone.
        PREFECT_CLIENT_CUSTOM_HEADERS: {"Host": urlsplit(server.url).netloc},
        PREFECT_CLIENT_MAX_RETRIES: 0,
    }
    with temporary_settings(near):
        async with dispatches() as dispatch:  # type: ignore[attr-defined]
            run, waiting = await dispatch.waits()
            await dispatch.set(run, Running())
            await line.cut()
            await dispatch.says("The Prefect API does not answer")
            # Longer than a trial may be silent.
            await asyncio.sleep(10)
            await line.join()
            await dispatch.says("The Prefect API answers again.")
            await asyncio.sleep(1)
            assert not waiting.done()
            await dispatch.set(run, Completed())
            assert await asyncio.wait_for(waiting, 60) == Ended("done")
    await line.cut()


async def test_what_killed_campaigns_left_starting_is_lost_to_the_next_one_by_the_api_s_clock(
    dispatches: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import PrefectClient
    from prefect.states import Pending, Running

    async with dispatches() as killed:  # type: ignore[attr-defined]
        left = [await killed.waits() for _ in range(2)]
        for (run, waiting), state in zip(left, (Pending(), Running()), strict=True):
            await killed.set(run, state)
            waiting.cancel()
    hello = PrefectClient.hello

    async def an_hour_later(self: PrefectClient) -> httpx.Response:
        answer = await hello(self)
        said = parsedate_to_datetime(answer.headers["date"])
        answer.headers["date"] = format_datetime(said + timedelta(hours=1), usegmt=True)
        return answer

    monkeypatch.setattr(PrefectClient, "hello", an_hour_later)
    async with dispatches() as dispatch:  # type: ignore[attr-defined]
        starting, running = (str(run) for run, _ in left)
        lost = await asyncio.wait_for(dispatch.dispatcher.wait(starting, POOL), 60)
        assert lost.how == "lost" and "no sign of life for 36" in lost.message
        # One that runs, and one of its own, are given the time that they have.
        own, waiting = await dispatch.waits()
        await dispatch.set(own, Pending())
        found = asyncio.create_task(dispatch.dispatcher.wait(running, POOL))
        await asyncio.sleep(3)
        assert not waiting.done() and not found.done()
        for task in (waiting, found):
            task.cancel()


async def test_a_trial_is_one_process_unless_the_pools_owner_says_otherwise(client: PrefectClient) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.client.schemas.objects import WorkPool

    async def of(name: str, template: dict[str, object]) -> WorkPool:
        wanted = WorkPoolCreate(name=name, type="process", base_job_template=template)
        return await client.create_work_pool(wanted, overwrite=True)

    command = trial_command(await ensure_pool(client, "ours"))
    assert command is not None and "lab_plugin.trial_process" in command
    variables = {"properties": {"command": {"default": "nice python -m prefect.engine"}}}
    own = {"job_configuration": {"command": "{{ command }}"}, "variables": variables}
    assert trial_command(await of("nice", own)) is None
    assert (
        trial_command(
            await of("bare", {"job_configuration": {"command": "true"}, "variables": {"properties": {}}})
        )
        is None
    )
