"""All that `lab up` runs, from the first start to the last process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lab_plugin.config import Config
from lab_plugin.errors import UpError
from lab_plugin.home import Home
from lab_plugin.local_api import LocalApi, apply, loaded
from lab_plugin.tracking import Store
from lab_plugin.up._access import client_environment, foreign_api, set_authentication
from lab_plugin.up._api import ApiProgram
from lab_plugin.up._keeper import Keeper
from lab_plugin.up._mlflow import MlflowProgram
from lab_plugin.up._pools import Served, Skipped, make_pools
from lab_plugin.up._program import Program
from lab_plugin.up._voices import Voice
from lab_plugin.up._worker import WorkerProgram

_READ_SECONDS = 0.2


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        home: The user's state folder.
        config: The lab whose pools get workers; None for none.
        port: Of the Prefect API; None for 4200 or a free one.
        mlflow_port: Of MLflow; None for 5000 or a free one.
        auth: Whether the servers ask for a credential; None: as before.
    """

    home: Home
    config: Config | None = None
    port: int | None = None
    mlflow_port: int | None = None
    auth: bool | None = None


@dataclass(frozen=True)
class Addresses:
    """What is up, and where.

    Attributes:
        api: The Prefect API; ends in `/api`.
        mlflow: The MLflow server.
        workers: Pools that have a worker here.
        skipped: Pools that have none.
        credential: File with the user and password that the lab's own servers ask for; None for none.
        logs: Folder of the logs.
    """

    api: str
    mlflow: str
    workers: tuple[Served, ...]
    skipped: tuple[Skipped, ...]
    credential: Path | None
    logs: Path

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "prefect": {"ui": self.api.removesuffix("/api"), "api": self.api},
            "mlflow": {"ui": self.mlflow},
            "workers": [vars(worker) for worker in self.workers],
            "skipped": [vars(pool) for pool in self.skipped],
            "credential": str(self.credential) if self.credential else None,
            "logs": str(self.logs),
        }


@dataclass
class _Running:
    keeper: Keeper
    task: asyncio.Task[None]
    voice: Voice = field(init=False)

    def __post_init__(self) -> None:
        self.voice = Voice(self.keeper.log)


class Stack:
    """The servers and workers of one `lab up`.

    Args:
        options: What is wanted.
        say: Told every line: who, and what.
    """

    def __init__(self, options: Options, say: Callable[[str, str], None]) -> None:
        self._options = options
        self._say = say
        self._folder = options.home.root / "up"
        self._running: list[_Running] = []
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Stack:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._reader = asyncio.create_task(self._read_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reader is not None
        # In this order: a run that is ended with its worker still tells the API so.
        for kind in (WorkerProgram, Program):
            ending = [each for each in self._running if isinstance(each.keeper.program, kind)]
            for each in ending:
                each.task.cancel()
            await asyncio.gather(*(each.task for each in ending), return_exceptions=True)
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        self._read()
        for each in self._running:
            each.voice.close()

    async def start(self) -> Addresses:
        """Start all, and wait until all answers.

        Raises:
            LabError: Something cannot be started; what was is ended when the context is left.
        """
        options, home = self._options, self._options.home
        foreign = await asyncio.to_thread(foreign_api)
        credential = self._authentication(foreign)
        api = None
        if foreign is None:
            api = self._keep(ApiProgram(home, options.port, partial(self._say, "prefect")))
        # Making a new store takes about as long as the API's start.
        mlflow = await self._start_mlflow(credential)
        if api is not None:
            await api.ready
        url = foreign or LocalApi(home.prefect).expected_url()
        pools = await self._start_workers(foreign, own_user_only=foreign is None and credential is None)
        for each in self._running:
            await each.keeper.ready
        own = None if foreign or credential is None else home.prefect / "credential"
        return Addresses(
            api=url,
            mlflow=mlflow if isinstance(mlflow, str) else mlflow.url or "",
            workers=tuple(pool for pool in pools if isinstance(pool, Served)),
            skipped=tuple(pool for pool in pools if isinstance(pool, Skipped)),
            credential=own,
            logs=self._folder,
        )

    async def failed(self) -> None:
        """Wait until something can be kept up no longer, and raise why; usually for ever."""
        done, _ = await asyncio.wait([each.task for each in self._running], return_when="FIRST_COMPLETED")
        for task in done:
            task.result()

    def _authentication(self, foreign: str | None) -> str | None:
        options = self._options
        if foreign is None:
            return set_authentication(options.home, options.auth)
        if options.auth is not None or options.port is not None:
            raise UpError(
                f"--port, --auth and --no-auth are for the lab's own API, and your profile names {foreign}.",
                "Leave them out, or unset the profile's PREFECT_API_URL.",
            )
        return None

    def _keep(self, program: Program) -> Keeper:
        keeper = Keeper(program, self._folder, partial(self._say, program.name))
        self._running.append(_Running(keeper, asyncio.create_task(keeper.keep())))
        return keeper

    async def _start_mlflow(self, credential: str | None) -> MlflowProgram | str:
        """Serve the store that campaigns write; the address where a server does so already."""
        uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        store = Store(uri) if uri else Store.embedded(self._options.home.mlflow)
        await asyncio.to_thread(store.check)
        if uri.startswith(("http://", "https://")):
            self._say("mlflow", f"MLflow UI {uri} (of MLFLOW_TRACKING_URI, which is used)")
            return uri
        if not store.artifacts:
            store = Store(uri, Store.embedded(self._options.home.mlflow).artifacts)
        say = partial(self._say, "mlflow")
        program = MlflowProgram(store, self._options.mlflow_port, credential, say)
        self._keep(program)
        return program

    async def _start_workers(self, foreign: str | None, *, own_user_only: bool) -> list[Served | Skipped]:
        if self._options.config is None:
            return []
        apply(client_environment(self._options.home, foreign))
        from prefect.client.orchestration import get_client

        loaded()
        async with get_client() as client:
            pools = await make_pools(client, self._options.config, own_user_only=own_user_only)
        for pool in pools:
            if isinstance(pool, Skipped):
                self._say("up", f"no worker for the pool {pool.name}: {pool.why}")
                continue
            environment = partial(client_environment, self._options.home, foreign)
            self._keep(WorkerProgram(pool.name, pool.kind, environment, _is_online))
        return pools

    async def _read_on(self) -> None:
        while True:
            self._read()
            await asyncio.sleep(_READ_SECONDS)

    def _read(self) -> None:
        for each in self._running:
            for line in each.voice.lines():
                self._say(each.keeper.program.name, line)


async def _is_online(pool: str, worker: str) -> bool:
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.exceptions import PrefectException

    try:
        async with get_client() as client:
            found = await client.read_workers_for_work_pool(pool)
    except (httpx.HTTPError, PrefectException):
        return False
    return any(each.name == worker and each.status == WorkerStatus.ONLINE for each in found)
