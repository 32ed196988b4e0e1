"""All services of a lab, for whoever runs programs that use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lab_plugin.config import Service
from lab_plugin.errors import SandboxUnavailable, ServiceEnded
from lab_plugin.sandbox import Role
from lab_plugin.services._host_service import HostService, Place, Run

T = TypeVar("T")

VARIABLE = "LAB_SERVICE_"
"""Begins the variables that tell programs where services are: `LAB_SERVICE_EMULATOR=127.0.0.1:5555`."""


@dataclass(frozen=True)
class Serving:
    """Services that one program uses.

    Attributes:
        ports: Service -> port on 127.0.0.1.
        runs: The run of each.
    """

    ports: Mapping[str, int]
    runs: tuple[Run, ...]

    @property
    def variables(self) -> dict[str, str]:
        """What tells the program where they are."""
        return {f"{VARIABLE}{name.upper()}": f"127.0.0.1:{port}" for name, port in self.ports.items()}

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a program; it is ended, and what came of it dropped, when a service ends.

        Raises:
            ServiceEnded: One did.
        """
        program = asyncio.ensure_future(work)
        ends: list[asyncio.Future[Any]] = [run.guarded.over for run in self.runs]
        try:
            await asyncio.wait((program, *ends), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(program)
        if not program.cancelled():
            # Its own error, if there is one, says more.
            program.result()
        for run in self.runs:
            try:
                await run.require()
            except SandboxUnavailable as error:
                raise ServiceEnded(error.message, error.remedy) from None
        return program.result()


async def _stop(program: asyncio.Future[T]) -> None:
    """End a program that still runs; a caller that is cancelled waits for that too."""
    cancelled = False
    while not program.done():
        program.cancel()
        try:
            await asyncio.wait((program,))
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


class Services:
    """The services that `lab.toml` declares; none runs before it is needed.

    Args:
        tables: Name to table.
        place: Where they run.
    """

    def __init__(self, tables: Mapping[str, Service], place: Place) -> None:
        self._services = {name: HostService(name, table, place) for name, table in sorted(tables.items())}
        # Of a fresh service for each run there can be one at a time: it has one port.
        self._turns = {name: asyncio.Lock() for name in self._services}

    def of(self, role: Role) -> tuple[str, ...]:
        """Names of the services that a role may reach, sorted."""
        return tuple(name for name, service in self._services.items() if role in service.table.roles)

    def not_for_all(self) -> str | None:
        """A service that some role may not reach; None when there is none."""
        return next((name for name, one in self._services.items() if len(one.table.roles) < 3), None)

    @asynccontextmanager
    async def serving(self, role: Role) -> AsyncIterator[Serving]:
        """Have the services of a role ready; those that are fresh for each run are ended at the exit.

        Raises:
            ConfigError: A variable of `env` is not set.
            SandboxUnavailable: One cannot be started or ended.
        """
        async with AsyncExitStack() as stack:
            runs = []
            # In one order for all roles, so that nobody waits for each other.
            for name in self.of(role):
                service = self._services[name]
                if service.table.restart == "trial":
                    await stack.enter_async_context(self._turns[name])
                    stack.push_async_callback(service.end)
                runs.append(await service.ensure())
            yield Serving({name: self._services[name].table.port for name in self.of(role)}, tuple(runs))

    async def try_out(self, name: str) -> None:
        """Start a service, wait until it is ready, and end it.

        Raises:
            ConfigError: A variable of `env` is not set.
            SandboxUnavailable: It cannot be started or ended.
        """
        try:
            await self._services[name].ensure()
        finally:
            await self._services[name].end()

    async def close(self) -> None:
        """End all of them. Idempotent.

        Raises:
            SandboxUnavailable: One cannot be ended; the others are.
        """
        ends = (service.end() for service in self._services.values())
        for error in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error
