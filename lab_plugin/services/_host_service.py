"""One service: started, waited for, watched and ended."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab_plugin.config import Service
from lab_plugin.errors import ConfigError, SandboxUnavailable
from lab_plugin.services import _ports
from lab_plugin.services._guarded import Guarded, Task
from lab_plugin.services._log import tail
from lab_plugin.services._readiness import unready
from lab_plugin.services._record import MARK, record_path, take

_ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_PYTHON = ("python", "python3")
_FIRST_PACE, _PACE = 0.02, 0.25
_RECHECK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where services run and what they leave.

    Attributes:
        directory: Their working directory.
        state: Folder for logs, records and locks; made when missing.
        redact: Takes secrets out of what is shown.
        environment: The lab's own.
        log_bytes: Kept of one service's output.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    directory: Path
    state: Path
    redact: Callable[[str], str]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    log_bytes: int = 2 << 20
    grace: float = 10.0


class HostService:
    """One declared service.

    Args:
        name: Its name.
        table: Its table.
        place: Where it runs.
    """

    def __init__(self, name: str, table: Service, place: Place) -> None:
        self.name = name
        self.table = table
        self._place = place
        self._guarded: Guarded | None = None
        self._proved: frozenset[int] = frozenset()
        self._changing = asyncio.Lock()

    async def ensure(self) -> Run:
        """Start it, unless it runs and is as it should be; it is ready when this returns.

        Raises:
            ConfigError: A variable of `env` is not set.
            SandboxUnavailable: It cannot be started, is not ready in time, or its port is somebody else's.
        """
        async with self._changing:
            if self._guarded is None or await self.fault(self._guarded):
                await self._end()
                await self._start()
            assert self._guarded is not None
            return Run(self, self._guarded)

    async def end(self) -> None:
        """End every process of it. Idempotent.

        Raises:
            SandboxUnavailable: One cannot be ended.
        """
        async with self._changing:
            await self._end()

    async def fault(self, guarded: Guarded) -> str:
        """What is wrong with a run of it; empty when it can be used."""
        if not await guarded.is_alive():
            return f"ended ({guarded.over.result()})"
        found = _ports.listeners(self.table.port)
        if not found:
            return f"no longer listens on port {self.table.port}"
        if frozenset(found) == self._proved or await self._own(guarded, found):
            return ""
        return f"lost port {self.table.port} to {_ports.holder(found)}"

    def unavailable(self, what: str, remedy: str = "") -> SandboxUnavailable:
        """The error for a fault, with the end of the log."""
        log = self._log
        said = tail(log, self._place.redact)
        return SandboxUnavailable(
            f"The service {self.name} {what}.{said and f' It said:{said}'}", remedy or f"Its log is {log}."
        )

    @property
    def _log(self) -> Path:
        return self._place.state / f"{self.name}.log"

    async def _start(self) -> None:
        environment = self._environment()
        try:
            guarded = await self._run(environment)
        except OSError as error:
            raise SandboxUnavailable(
                f"The service {self.name} cannot be started: {error}.",
                f"Its state is in {self._place.state}.",
            ) from error
        try:
            await self._await_ready(guarded)
        except BaseException:
            await guarded.end()
            raise
        self._guarded = guarded

    async def _run(self, environment: dict[str, str]) -> Guarded:
        self._place.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock, record = await take(self._place.state, self.name)
        try:
            self._require_free()
            environment[MARK] = record.mark
            return await Guarded.start(self._task(environment), lock, record.entry)
        except BaseException:
            record_path(self._place.state, self.name).unlink(missing_ok=True)
            raise
        finally:
            # The guardian has a copy, and holds it until all is dead.
            os.close(lock)

    async def _end(self) -> None:
        if self._guarded is not None:
            await self._guarded.end()
            self._guarded = None

    def _require_free(self) -> None:
        if found := _ports.listeners(self.table.port):
            raise SandboxUnavailable(
                f"The service {self.name} cannot be started: port {self.table.port} is taken by "
                f"{_ports.holder(found)}.",
                f"End that, or give services.{self.name} another port; the lab uses nobody else's service.",
            )

    def _task(self, environment: dict[str, str]) -> Task:
        ready = self.table.ready
        return Task(
            command=_argv(self.table.command),
            ready=[] if isinstance(ready, str) else _argv(ready),
            directory=str(self._place.directory),
            environment=environment,
            log=str(self._log),
            log_bytes=self._place.log_bytes,
            grace=self._place.grace,
            record=str(record_path(self._place.state, self.name)),
        )

    def _environment(self) -> dict[str, str]:
        given = self._place.environment
        if missing := [name for name in self.table.env if name not in given]:
            raise ConfigError(
                f"services.{self.name}.env: the variable {missing[0]} is not set where `lab` runs.",
                f"Set {missing[0]}, or take it out of `env`.",
            )
        return {name: given[name] for name in (*_ALLOWED, *self.table.env) if name in given}

    async def _await_ready(self, guarded: Guarded) -> None:
        deadline = time.monotonic() + self.table.timeout
        pace, missing = _FIRST_PACE, ""
        while True:
            missing = await self._missing(guarded)
            if guarded.over.done():
                raise self.unavailable(f"ended before it was ready ({guarded.over.result()})", _FOREGROUND)
            if not missing:
                return
            if time.monotonic() > deadline:
                raise self.unavailable(
                    f"was not ready within {self.table.timeout:g} s: {missing}",
                    f"Give services.{self.name} a longer timeout, or mend it; its log is {self._log}.",
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(pace):
                    await asyncio.shield(guarded.over)
            pace = min(_PACE, pace * 1.5)

    async def _missing(self, guarded: Guarded) -> str:
        """What is missing until it is ready; nothing is asked of whoever listens before that is known."""
        found = _ports.listeners(self.table.port)
        if not found:
            return f"nothing listens on 127.0.0.1:{self.table.port}"
        if not await self._own(guarded, found):
            holder = _ports.holder(found)
            raise self.unavailable(
                f"cannot be used: on port {self.table.port} listens {holder}, which it did not start",
                "Let the command itself, or a program that it starts, listen; the lab uses nothing else.",
            )
        self._proved = frozenset(found)
        return await unready(self.table, guarded)

    async def _own(self, guarded: Guarded, found: Mapping[int, int]) -> bool:
        """Whether all of some listening sockets are the service's."""
        processes = guarded.processes()
        if all(_ports.belongs(inode, processes) for inode in found):
            return True
        # It may have handed them on, or closed them, while they were looked for.
        await asyncio.sleep(_RECHECK_SECONDS)
        found, processes = _ports.listeners(self.table.port), guarded.processes()
        return all(_ports.belongs(inode, processes) for inode in found)


_FOREGROUND = "Its command must stay in the foreground for as long as the service is to run."


@dataclass(frozen=True)
class Run:
    """One run of a service, which a program uses.

    Attributes:
        service: Which.
        guarded: The run.
    """

    service: HostService
    guarded: Guarded

    async def require(self) -> None:
        """See that it is still the same run, alive and listening.

        Raises:
            SandboxUnavailable: It is not.
        """
        if fault := await self.service.fault(self.guarded):
            raise self.service.unavailable(f"{fault} while a program used it")


def _argv(words: tuple[str, ...]) -> list[str]:
    return [sys.executable if words[0] in _PYTHON else words[0], *words[1:]]
