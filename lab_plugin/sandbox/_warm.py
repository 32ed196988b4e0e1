"""Interpreters that have modules loaded, each in a sandbox of its own, for jobs that run in forks of them.

Such an interpreter never sees a file of a candidate, and a fork of it runs one job and is then gone. So it
serves jobs of any commit, as long as a new interpreter would have the same Python, modules, user, limits and
environment (variables that begin with LAB_ apart, which differ from trial to trial).
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox._launcher.request import Request, send
from lab_plugin.sandbox._spawner import Conversation, Spawner

_LAUNCHER = Path(__file__).with_name("_launcher")
_INSIDE = f"/lab/inputs/LAB_LAUNCHER/{_LAUNCHER.name}"
_START_SECONDS = 300.0
_YEAR = 366 * 86_400.0
_PROCESSES = 1 << 20
_MOST = 4
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.1


class WarmInterpreters:
    """The warm interpreters of one sandbox, started when first needed and again when one has died.

    Args:
        spawner: Starts their supervisors, and those of the jobs.
    """

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._all: dict[Hashable, _Interpreter] = {}
        self._starting: dict[Hashable, asyncio.Task[_Interpreter]] = {}

    async def run(self, request: Request) -> dict[str, Any]:
        """Run one job in a fork; returns the supervisor's last message.

        Raises:
            SandboxUnavailable: The launcher was killed, or the interpreter cannot be started now.
            SandboxError: The modules cannot be imported ahead.
            asyncio.CancelledError: Cancelled; everything of the job is dead.
        """
        for _ in range(_ATTEMPTS):
            report = await self._run_once(request)
            if report["event"] != "lost":
                return report
            # One that is being killed may not be seen to be dead at once.
            await asyncio.sleep(_PAUSE_SECONDS)
        raise SandboxUnavailable(
            f"the warm interpreters for {request.name} end before it begins: {report['message']}",
            "Run it again; look for an OOM kill.",
        )

    async def close(self) -> None:
        """End all of them."""
        for task in list(self._starting.values()):
            task.cancel()
            await asyncio.wait([task])
        while self._all:
            _, interpreter = self._all.popitem()
            await interpreter.end()

    async def _run_once(self, request: Request) -> dict[str, Any]:
        interpreter = await self._find(request)
        interpreter.users += 1
        try:
            return await self._spawner.run(request, interpreter.control.fileno())
        finally:
            interpreter.users -= 1

    async def _find(self, request: Request) -> _Interpreter:
        key = _key(request)
        found = self._all.pop(key, None)
        if found is not None and not found.is_dead():
            # The last one is the one that was used last.
            self._all[key] = found
            return found
        if found is not None:
            await found.end()
        if key not in self._starting:
            self._starting[key] = asyncio.create_task(self._start(key, request))
        return await asyncio.shield(self._starting[key])

    async def _start(self, key: Hashable, request: Request) -> _Interpreter:
        try:
            idle = [other for other, known in self._all.items() if not known.users]
            if idle and len(self._all) >= _MOST:
                await self._all.pop(idle[0]).end()
            report = {"event": "lost"}
            for _ in range(_ATTEMPTS):
                interpreter = _Interpreter(self._spawner.connect(), request)
                report = await interpreter.await_ready()
                if report["event"] == "ready":
                    self._all[key] = interpreter
                    return interpreter
                if report["event"] != "lost":
                    break
            raise _refusal(request.warm, report)
        finally:
            del self._starting[key]


class _Interpreter:
    """One of them; its job ends when the lab hangs up on its supervisor, or the lab ends."""

    def __init__(self, channel: socket.socket, request: Request) -> None:
        self.users = 0
        self._channel = channel
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        with theirs:
            send(channel, _own_request(request)._asdict(), theirs.fileno())

    async def await_ready(self) -> dict[str, Any]:
        """Wait until everything is imported: the event `ready`; else the report, and it has ended."""
        ready, loop = b"", asyncio.get_running_loop()
        try:
            ready = await asyncio.wait_for(loop.sock_recv(self.control, 1 << 16), _START_SECONDS)
        except (TimeoutError, ConnectionResetError):
            pass
        finally:
            if not ready:
                report = await self.end()
        return {"event": "ready"} if ready else report

    def is_dead(self) -> bool:
        """Whether it has ended; it says nothing more once it is ready."""
        poll = select.poll()
        poll.register(self.control.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    async def end(self) -> dict[str, Any]:
        """End it and return its report; nothing of it is alive afterwards. Jobs in its forks end with it."""
        self.control.close()
        return await Conversation(self._channel).end() or {"event": "lost", "message": "", "remedy": ""}


def _own_request(request: Request) -> Request:
    return request._replace(
        kind="zygote",
        name="lab-warm",
        command=["python", f"{_INSIDE}/zygote/start.py", os.path.dirname(_INSIDE)],
        workspace=str(_LAUNCHER),
        directory=".",
        inputs={"LAB_LAUNCHER": str(_LAUNCHER)},
        outputs=[],
        output_variables={},
        destination="",
        environment=dict(_lasting(request)),
        wall_seconds=_YEAR,
        processes=_PROCESSES,
    )


def _key(request: Request) -> Hashable:
    return (
        request.python,
        tuple(request.mounts),
        tuple(request.warm),
        tuple(_lasting(request)),
        request.uid,
        request.memory_bytes,
        request.cpus,
        request.disk_bytes,
    )


def _lasting(request: Request) -> list[tuple[str, str]]:
    return sorted(item for item in request.environment.items() if not item[0].startswith("LAB_"))


def _refusal(modules: list[str], report: dict[str, Any]) -> SandboxError:
    names = ", ".join(modules)
    if report["event"] in ("broken", "refused", "lost"):
        return SandboxUnavailable(
            f"no interpreter with {names} can be started: {report['message'] or 'the launcher was killed'}",
            report["remedy"],
        )
    return SandboxError(
        f"{names} cannot be imported ahead: {report['said'] or report['reason'] or 'it takes too long'}",
        "Install what is missing, or take the module out of candidate.warm.",
    )
