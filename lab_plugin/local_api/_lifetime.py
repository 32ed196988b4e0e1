"""How long the server lives: until a signal, or until nobody has held it for the grace time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from lab_plugin.local_api import _locks, _record

_WATCH_SECONDS = 1.0


class _Server(uvicorn.Server):
    """A uvicorn server that returns after a signal, so that its record can be withdrawn.

    uvicorn's own raises the signal again, which ends the process on the spot.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Turn SIGINT and SIGTERM into an orderly exit."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(
    config: uvicorn.Config,
    listener: socket.socket,
    home: Path,
    grace: float | None,
    serve_deployments: Callable[[], Awaitable[None]],
) -> None:
    """Serve until a signal, or until no client has held the folder for the grace time.

    Args:
        config: What to serve.
        listener: The bound socket.
        home: The API's folder.
        grace: Seconds, counted from the server's start; None for no end.
        serve_deployments: Called once when somebody wants deployments served, of a server that has a grace
            time; one without serves them from its start.
    """
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        watches = []
        if grace is not None:
            watches.append(group.create_task(_leave_when_unused(server, home, grace)))
            watches.append(group.create_task(_when_wanted(server, home, serve_deployments)))
        await server.serve(sockets=[listener])
        for watch in watches:
            watch.cancel()


async def _when_wanted(server: _Server, home: Path, work: Callable[[], Awaitable[None]]) -> None:
    while not server.started or not _locks.is_held(home / _locks.DEPLOYMENTS):
        await asyncio.sleep(_WATCH_SECONDS)
    await work()


async def _leave_when_unused(server: _Server, home: Path, grace: float) -> None:
    loop = asyncio.get_running_loop()
    last_used = loop.time()
    while not server.should_exit:
        await asyncio.sleep(min(_WATCH_SECONDS, max(grace / 4, 0.05)))
        if not server.started or _locks.is_held(home / _locks.CLIENTS):
            last_used = loop.time()
        elif loop.time() - last_used >= grace:
            server.should_exit = _leave(home)


def _leave(home: Path) -> bool:
    """Withdraw the record, unless a client came in this moment."""
    start = _locks.acquire(home / _locks.START, wait=False)
    if start is None:
        return False
    try:
        if _locks.is_held(home / _locks.CLIENTS):
            return False
        _record.remove(home, os.getpid())
        return True
    finally:
        os.close(start)
