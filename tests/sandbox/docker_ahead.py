"""A Docker sandbox that remembers which containers it made ahead, and what became of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import docker

from lab_plugin.sandbox import DockerSandbox, Execution, Job, Sandbox
from lab_plugin.sandbox._docker._engine import Engine
from tests.sandbox import docker_engine

_SECONDS = 60


class Event(NamedTuple):
    """What the engine did with a container: `create`, `start` or `rename`; the name where there is one."""

    action: str
    container: str
    name: str = ""


class WatchedSandbox(DockerSandbox):
    """What its engine was asked for, and did. The engine itself forgets all but its last 256 events."""

    def __init__(self) -> None:
        super().__init__(image=docker_engine.IMAGE)
        self.events: list[Event] = []
        self._engine = _WatchedEngine(self.events)
        self._ahead._engine = self._engine

    def exists(self, container: str) -> bool:
        try:
            self._engine.client.inspect_container(container)
        except docker.errors.NotFound:
            return False
        return True


class _WatchedEngine(Engine):
    def __init__(self, events: list[Event]) -> None:
        super().__init__()
        self._events = events

    def create(self, config: dict[str, Any], name: str) -> str:
        container = super().create(config, name)
        self._events.append(Event("create", container, name))
        return container

    def start(self, container: str) -> None:
        super().start(container)
        self._events.append(Event("start", container))

    def rename(self, container: str, name: str) -> None:
        super().rename(container, name)
        self._events.append(Event("rename", container, name))


class History:
    """What became of a sandbox's containers since this was made.

    Args:
        sandbox: The sandbox.
    """

    def __init__(self, sandbox: WatchedSandbox) -> None:
        self._sandbox = sandbox
        self._from = len(sandbox.events)

    def events(self) -> list[Event]:
        """In their order."""
        return self._sandbox.events[self._from :]

    def that(self, action: str) -> list[str]:
        """Ids of those to which something happened."""
        return [event.container for event in self.events() if event.action == action]

    def made(self) -> list[str]:
        """Ids of those that were made ahead."""
        return [
            event.container
            for event in self.events()
            if event.action == "create" and event.name.startswith(docker_engine.AHEAD)
        ]

    def taken(self) -> list[str]:
        """Ids of those that a job took."""
        return self.that("rename")

    def waiting(self) -> list[str]:
        """Ids of those that were made ahead, and that no job has taken and no end has come to."""
        taken = self.taken()
        return [
            container
            for container in self.made()
            if container not in taken and self._sandbox.exists(container)
        ]


class AheadSandbox(Sandbox):
    """Runs each job in a container that was made for an earlier one like it, and sees that it did.

    Args:
        inner: Where.
    """

    def __init__(self, inner: WatchedSandbox) -> None:
        self.kind = inner.kind
        self.guarantees = inner.guarantees
        self._inner = inner

    async def probe(self) -> None:
        await self._inner.probe()

    async def run(self, job: Job) -> Execution:
        made = await make_ahead(self._inner, job)
        history = History(self._inner)
        execution = await self._inner.run(job)
        assert history.taken() == [made]
        return execution

    async def close(self) -> None:
        await self._inner.close()


async def make_ahead(sandbox: WatchedSandbox, job: Job) -> str:
    """Run jobs that do nothing until a container waits for another like `job`; its id."""
    await _idle(sandbox, job)
    # What an earlier job had made is there by now: a candidate waits for it.
    history = History(sandbox)
    await _idle(sandbox, job)

    def started() -> list[str]:
        taken, begun = history.taken(), history.that("start")
        return [one for one in history.made() if one in begun and one not in taken]

    await until(started)
    return started()[0]


async def until(reached: Callable[[], object]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + _SECONDS
    while not reached():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def _idle(sandbox: Sandbox, job: Job) -> None:
    limits = replace(job.limits, wall_seconds=60, log_bytes=1000)
    with TemporaryDirectory() as folder:
        idle = replace(job, name="idle", command=("true",), outputs=(), destination=Path(folder))
        await sandbox.run(replace(idle, limits=limits))
