"""Serving until a signal, and telling of it; `lab up` imports it when it runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TextIO

from lab_plugin.up import Addresses, Options, Stack, prefixed

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(options: Options, as_json: bool) -> None:
    """Serve until Ctrl-C, a signal, or the end of a server.

    Args:
        options: What, and where.
        as_json: Print one document with the addresses, and all else to standard error.
    """
    asyncio.run(_serve(options, as_json))


async def _serve(options: Options, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    # With --json, nothing but the one document goes to standard output.
    say = _speaker(sys.stderr if as_json else sys.stdout)
    async with Stack(options, say) as stack:
        if not await _until(stop, work := asyncio.ensure_future(stack.start())):
            return
        _tell(work.result(), say, as_json)
        await _until(stop, asyncio.ensure_future(stack.failed()))
        say("up", "ending")


async def _until(stop: asyncio.Event, work: asyncio.Future[Any]) -> bool:
    """Wait for work, or for a signal; whether the work was done."""
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if work.done():
        work.result()
        return True
    work.cancel()
    await asyncio.wait((work,))
    return False


def _speaker(stream: TextIO) -> Callable[[str, str], None]:
    names: dict[str, int] = {}
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def say(name: str, text: str) -> None:
        place = names.setdefault(name, len(names))
        width = max(map(len, names))
        # Who read it may be gone, as a closed terminal is; the logs have all of it.
        with contextlib.suppress(OSError):
            print(prefixed(name, text, width, place if coloured else None), file=stream, flush=True)

    return say


def _tell(addresses: Addresses, say: Callable[[str, str], None], as_json: bool) -> None:
    if as_json:
        print(json.dumps(addresses.document(), ensure_ascii=False), flush=True)
        return
    say("up", f"Prefect UI  {addresses.api.removesuffix('/api')}")
    say("up", f"MLflow UI   {addresses.mlflow}")
    for worker in addresses.workers:
        say("up", f"Worker      of the pool {worker.name} ({worker.kind})")
    if addresses.credential is not None:
        say("up", f"Password    user and password are in {addresses.credential}")
    say("up", f"Logs        {addresses.logs}; Ctrl-C ends all of it")
