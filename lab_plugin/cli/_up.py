"""`lab up`: the servers and workers of this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from lab_plugin.cli._options import JsonOption, LabOption

if TYPE_CHECKING:
    from lab_plugin.config import Config
    from lab_plugin.up import Addresses, Options

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PORT = {"min": 1, "max": 65535}


def up(
    port: Annotated[
        int | None, typer.Option(**_PORT, help="Of the Prefect API and UI (default: 4200, or a free one).")
    ] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(**_PORT, help="Of the MLflow UI (default: 5000, or a free one).")
    ] = None,
    auth: Annotated[
        bool | None,
        typer.Option(
            "--auth/--no-auth",
            help="Ask for a user and a password, from now on; or for none (default: as before).",
            show_default=False,
        ),
    ] = None,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the Prefect UI, the MLflow UI and a worker for each of the lab's pools here, until Ctrl-C."""
    from lab_plugin.home import Home
    from lab_plugin.up import Options

    options = Options(Home.from_environment(), _config(lab), port, mlflow_port, auth)
    asyncio.run(_serve(options, as_json))


def _config(lab: Path | None) -> Config | None:
    """The lab that is named, or the nearest upwards; None when there is none to be found."""
    from lab_plugin.config import find, load
    from lab_plugin.errors import ConfigError

    if lab is not None:
        return load(lab if lab.is_file() else find(lab))
    try:
        nearest = find(Path.cwd())
    except ConfigError:
        return None
    return load(nearest)


async def _serve(options: Options, as_json: bool) -> None:
    from lab_plugin.up import Stack

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
    from lab_plugin.up import prefixed

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
