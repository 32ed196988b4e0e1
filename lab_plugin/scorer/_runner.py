"""What runs trials, and the one that runs them on this machine, by the scorer's contract."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from lab_plugin.config import Config
from lab_plugin.redaction import Redactor
from lab_plugin.repository import WorkspacePool
from lab_plugin.sandbox import Execution, Limits, Sandbox
from lab_plugin.scorer._trial import Score, Trial
from lab_plugin.scorer.contracts import CANDIDATE, Programs, open_contract
from lab_plugin.slots import Slots, needs_of, own_slots


class Runner(Protocol):
    """Runs trials of one lab under one lock.

    Attributes:
        local: Whether it runs them in a workspace of this machine, and leaves the candidate's outputs in the
            trial's folder. One that does not reads the trial's tree, and has the logs there alone.
    """

    local: bool

    @property
    def contained(self) -> bool:
        """Whether a candidate cannot have changed its workspace."""

    @property
    def kind(self) -> str:
        """Kind of the sandbox."""

    def candidate_log(self, trial: Trial) -> tuple[Path, int]:
        """The candidate's stdout, and the bytes of it that are kept at most."""

    async def execute(self, trial: Trial) -> Execution:
        """Run the candidate to its verified end.

        Raises:
            SandboxUnavailable: The sandbox broke; the trial may be run again in an empty folder.
            SandboxError: It did not hold what the lab demands.
            FleetError: The workers of its pool cannot run it.
        """

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """Score what the candidate did.

        Raises:
            SandboxUnavailable: The sandbox broke; may be tried again.
            SandboxError: It did not hold what the lab demands.
        """


@asynccontextmanager
async def workspace_for(runner: Runner, pool: WorkspacePool, tree: str) -> AsyncIterator[Path]:
    """A workspace with a tree, for a runner that needs one; an empty path for one that does not."""
    if not runner.local:
        yield Path()
        return
    workspace = await asyncio.to_thread(pool.acquire, tree)
    try:
        yield workspace.path
    finally:
        pool.release(workspace, tainted=not runner.contained)


class TrialRunner:
    """Runs trials of one lab under one lock, each as soon as there are cores and cards for it.

    Args:
        config: The lab's configuration.
        sandbox: Where both programs run.
        snapshot: The scorer's files, as locked.
        directory: The lab's folder, relative to the workspace.
        redactor: Takes secrets out of what the programs say.
        tests: Ids of the locked tests, for the contract `tests`.
        slots: Cores and cards to share with others; None for those of this machine.

    Raises:
        ConfigError: The lab's programs need more cores or cards than there are.

    Attributes:
        tests: The same.
    """

    local = True

    def __init__(
        self,
        config: Config,
        sandbox: Sandbox,
        snapshot: Path,
        directory: str,
        redactor: Redactor,
        tests: tuple[str, ...] = (),
        slots: Slots | None = None,
    ) -> None:
        self._name = config.lab.name
        self._sandbox = sandbox
        self._programs = Programs(config, sandbox, snapshot, directory, redactor)
        self._contract = open_contract(self._programs, tests)
        self._slots = slots or own_slots(config)
        self._needs = needs_of(config)
        self.tests = tests

    @property
    def contained(self) -> bool:
        """Whether a candidate cannot have changed its workspace."""
        return "read_only_root" in self._sandbox.guarantees

    @property
    def kind(self) -> str:
        """Kind of the sandbox."""
        return self._sandbox.kind

    @staticmethod
    def candidate_log(trial: Trial) -> tuple[Path, int]:
        """The candidate's stdout, which grows while it runs, and the bytes of it that are kept at most."""
        return trial.folder / CANDIDATE / "stdout.log", Limits.log_bytes

    def with_tests(self, tests: tuple[str, ...]) -> TrialRunner:
        """The same, but for the locked tests."""
        other = copy.copy(self)
        other.tests = tests
        other._contract = open_contract(self._programs, tests)
        return other

    def with_slots(self, slots: Slots) -> TrialRunner:
        """The same, but for cores and cards, which it shares with others."""
        other = copy.copy(self)
        other._slots = slots
        return other

    async def execute(self, trial: Trial) -> Execution:
        """Run the candidate to its verified end.

        Raises:
            SandboxUnavailable: The sandbox broke; the trial may be run again in an empty folder.
            SandboxError: It did not hold what the lab demands.
        """
        async with self._slots.taken(self._needs.execution) as cards:
            return await self._contract.execute(replace(trial, gpus=cards))

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """Score what the candidate did.

        Raises:
            SandboxUnavailable: The sandbox broke; may be tried again.
            SandboxError: It did not hold what the lab demands.
        """
        async with self._slots.taken(self._needs.scoring):
            return await self._contract.evaluate(trial, execution)

    async def collect(self, folder: Path) -> tuple[str, ...]:
        """Ids of the tests that a score is made of, sorted; () where the contract has none.

        Args:
            folder: Existing; takes what comes of it.

        Raises:
            LockError: They cannot be collected.
            SandboxUnavailable: The sandbox broke; may be tried again.
        """
        trial = Trial(
            name=f"{self._name}-collect", idea="0000", workspace=self._programs.snapshot, folder=folder
        )
        return await self._contract.collect(trial)
