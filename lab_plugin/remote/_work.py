"""What a worker does with an order: prove that it can, run, score, and deliver."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab_plugin import __version__
from lab_plugin.config import Config
from lab_plugin.errors import FleetError, SandboxUnavailable
from lab_plugin.home import Home
from lab_plugin.redaction import Redactor
from lab_plugin.remote._cards import cards_held
from lab_plugin.remote._kit import Kit
from lab_plugin.remote._order import Kind, TrialOrder
from lab_plugin.remote._patience import Tell
from lab_plugin.remote._result import Result, gather, sealed
from lab_plugin.remote._site import Site, address_for
from lab_plugin.repository import WorkspacePool
from lab_plugin.sandbox import Execution, Sandbox, image_of
from lab_plugin.sandboxing import sandbox_of
from lab_plugin.scorer import (
    FileHasher,
    Score,
    Trial,
    TrialRunner,
    differences,
    materialise_snapshot,
    workspace_for,
)
from lab_plugin.scratch import scratch
from lab_plugin.sealing import TIER, sealed_config, sealed_files
from lab_plugin.slots import Capacity, Slots, capacity_of
from lab_plugin.terms import TermsReader

_SHOWN = 5
_NO_SNAPSHOT = Path("/nonexistent/scorer")


def worker_name() -> str:
    """What this worker is called; the machine's name where it is not told."""
    return os.environ.get("PREFECT__WORKER_NAME") or platform.node() or "a worker"


@dataclass
class Work:
    """One order in the hands of a worker. Made by `open_work`.

    Attributes:
        order: What is asked.
        trial: Of it; its workspace is set while the candidate runs.
    """

    order: TrialOrder
    trial: Trial
    _site: Site = field(repr=False)
    _kit: Kit = field(repr=False)
    _config: Config = field(repr=False)
    _sandbox: Sandbox = field(repr=False)
    _slots: Slots = field(repr=False)
    _redactor: Redactor = field(repr=False)
    _hasher: FileHasher = field(repr=False)

    async def execute(self) -> Execution:
        """Run the candidate to its verified end; the scorer's files are not fetched for it.

        Under a contract in which both run at the same time, the scorer runs too.

        Raises:
            SandboxUnavailable: The sandbox broke.
            RemoteError: What it needs is not on the remote.
        """
        together = self._config.scorer.contract != "outputs"
        runner = self._runner(await self._scorer() if together else _NO_SNAPSHOT)
        folder = self._site.folder / "labs" / self.order.lab / "workspaces"
        pool = WorkspacePool(self._site.repository, folder, lambda path: False)
        async with workspace_for(runner, pool, self.order.candidate) as workspace:
            self.trial = _replaced(self.trial, workspace)
            return await runner.execute(self.trial)

    async def evaluate(self, execution: Execution) -> Score:
        """Score what the candidate did, with the scorer that was locked.

        Raises:
            LockError: The scorer that was fetched is not the one that was locked.
            SandboxUnavailable: The sandbox broke.
        """
        runner, trial = self._runner(await self._scorer()), self.trial
        if self.order.sealed and self._config.scorer.contract == "outputs":
            trial = _replaced(trial, trial.workspace, TIER)
        return await runner.evaluate(trial, execution)

    async def deliver(self, execution: Execution, score: Score) -> bool:
        """Put the result on the remote; False where another worker's was there first.

        Raises:
            RemoteError: The remote refuses.
        """
        files = {} if self.order.sealed else gather(self.trial.folder, self._redactor.data)
        told = sealed(score) if self.order.sealed else score
        result = Result(self.order.id, worker_name(), told, execution, files)
        tree = await asyncio.to_thread(result.store, self._site.repository)
        return await self._site.deliver(self.order, tree)

    def _runner(self, snapshot: Path) -> TrialRunner:
        tests = self._kit.tests.get(self.order.tier, ())
        return TrialRunner(
            self._config, self._sandbox, snapshot, self._kit.directory, self._redactor, tests, self._slots
        )

    async def _scorer(self) -> Path:
        """The scorer's files, proved to be what was locked, where no sandbox of a candidate reaches."""
        await self._site.fetch([self.order.ref("scorers")])
        terms = self._kit.lock.terms
        files = sealed_files(terms) if self.order.sealed else terms.files
        snapshot = await asyncio.to_thread(
            materialise_snapshot,
            self._site.repository,
            self.order.scorer,
            files,
            self._site.folder / "snapshots",
            self._hasher,
        )
        return snapshot.folder


@asynccontextmanager
async def open_work(order: TrialOrder, home: Home, tell: Tell) -> AsyncIterator[Work | None]:
    """Fetch what an order needs, and prove that this worker can do it; None where it is done already.

    Args:
        order: What is asked.
        home: The worker's state folder.
        tell: Told what the worker's owner should know.

    Raises:
        FleetError: This worker has another version, another environment or no such sandbox, or the kit is
            damaged.
        LockError: The interpreter cannot be asked for its environment, or the data are not what was locked.
        ConfigError: A variable with a credential is missing here.
        RemoteError: The remote refuses, cannot be reached, or lacks something.
    """
    _require_version(order)
    async with AsyncExitStack() as stack:
        site = Site(home, address_for(order), tell)
        stack.callback(site.close)
        if await site.is_answered(order):
            yield None
            return
        kinds: list[Kind] = ["kits", "trials", "data"] if order.data else ["kits", "trials"]
        await site.fetch([order.ref(kind) for kind in kinds])
        kit = await asyncio.to_thread(Kit.load, site.repository, order.kit)
        if kit.lock.digest != order.lock:
            raise FleetError("The kit on the git remote is not of the lock that the order names.")
        hasher = FileHasher(site.folder / "digests")
        config = _config(order, site, kit, hasher)
        redactor = Redactor(
            os.environ, (*config.lab.secrets, *(one.env for one in config.candidate.credentials))
        )
        try:
            image = await asyncio.to_thread(_require_environment, order, kit, config, home, hasher)
            sandbox = sandbox_of(config, image)
            stack.push_async_callback(sandbox.close)
            await sandbox.probe()
        except SandboxUnavailable as error:
            # To try it again here would change nothing.
            raise FleetError(error.message, error.remedy) from error
        slots = await stack.enter_async_context(_slots(config, home))
        folder = stack.enter_context(scratch(site.folder))
        yield Work(order, _trial(order, folder), site, kit, config, sandbox, slots, redactor, hasher)


def _require_version(order: TrialOrder) -> None:
    if order.version != __version__:
        raise FleetError(
            f"this worker has prefect-lab {__version__}, and the lab has {order.version}.",
            f"On the worker's machine: pip install prefect-lab=={order.version}",
        )


def _config(order: TrialOrder, site: Site, kit: Kit, hasher: FileHasher) -> Config:
    """The configuration of the tier, in a folder that has the public data."""
    terms, folder = kit.lock.terms, site.folder / "no-data"
    if order.data is not None:
        own = kit.config_at(order.tier, folder)
        holdout = own.scorer.holdout
        of_holdout = order.sealed and holdout is not None and holdout.data is not None
        files = terms.holdout_data if of_holdout else terms.data
        folder = materialise_snapshot(site.repository, order.data, files, site.folder / "data", hasher).folder
    config = kit.config_at(order.tier, folder)
    return sealed_config(config) if order.sealed else config


def _require_environment(
    order: TrialOrder, kit: Kit, config: Config, home: Home, hasher: FileHasher
) -> str | None:
    """See that programs run here with what they ran with when the lab was locked; the image's digest."""
    locked = dict(kit.lock.terms.environment)
    tiers = locked.pop("tiers", {})
    locked = tiers.get(order.tier, locked)
    settings, wanted = config.sandbox, locked.get("image")
    image = wanted and image_of(settings.kind, image=str(wanted), gpus=config.candidate.gpus)
    if wanted is None:
        image = image_of(settings.kind, gpus=config.candidate.gpus)
    found = TermsReader(config, home, hasher, lambda: image).environment("recent")
    terms = kit.lock.terms
    lines = differences(
        terms.model_copy(update={"environment": locked}), terms.model_copy(update={"environment": found})
    )
    if lines:
        more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise FleetError(
            f"programs would run here with another environment than the locked one: "
            f"{'; '.join(lines[:_SHOWN])}{more}",
            "Install on the worker's machine what the lab was locked with, or give the tier an image.",
        )
    return image


@asynccontextmanager
async def _slots(config: Config, home: Home) -> AsyncIterator[Slots]:
    """Cores of this machine, and cards that no other trial here has."""
    capacity = capacity_of(config)
    cpus = max(capacity.cpus, config.candidate.cpus + config.scorer.cpus)
    if not config.candidate.gpus:
        yield Slots(Capacity(cpus))
        return
    shared, count = config.resources.jobs_per_gpu, config.candidate.gpus
    async with cards_held(home.root / "cards", capacity.cards, count, shared) as cards:
        yield Slots(Capacity(cpus, cards))


def _trial(order: TrialOrder, folder: Path) -> Trial:
    trial = folder / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    trial.mkdir()
    return Trial(
        name=order.name,
        idea=f"{order.number:04d}",
        workspace=Path(),
        folder=trial,
        params=order.params,
        seed=order.seed,
        tier=order.tier,
        tree=order.candidate,
    )


def _replaced(trial: Trial, workspace: Path, tier: str = "") -> Trial:
    return replace(trial, workspace=workspace, tier=tier or trial.tier)
