"""Runs the trials of a tier on the workers of its pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lab_plugin.remote._desk import RemoteDesk, TrialCancelled
from lab_plugin.remote._order import TrialOrder
from lab_plugin.remote._result import Returned
from lab_plugin.sandbox import Execution, Limits
from lab_plugin.scorer import CANDIDATE, Score, Trial
from lab_plugin.slots import Gate

_OWNER = "the owner in the Prefect UI"


class OwnersGate(Gate, Protocol):
    """A gate by which the owner may also end who asks."""

    def cancel_asking(self, by: str) -> None:
        """End the idea that asks, or the campaign where none does; the step that it is in is cancelled."""


class RemoteRunner:
    """A `Runner` whose programs run on other machines.

    A worker runs and scores a trial in one go: `execute` returns when both are done, and `evaluate` says what
    came of it.

    Args:
        desk: The campaign's.
        pool: The work pool.
        make_order: Makes an order of a trial, given the tree of its candidate without what is hidden.
        metric: The tier's.
        gate: Where a trial asks before it starts, and is told of a run that the owner ended.
    """

    local = False
    contained = True
    kind = "worker"

    def __init__(
        self,
        desk: RemoteDesk,
        pool: str,
        make_order: Callable[[Trial, str], TrialOrder],
        metric: str,
        gate: OwnersGate,
    ) -> None:
        self._desk = desk
        self._pool = pool
        self._make_order = make_order
        self._metric = metric
        self._gate = gate

    @staticmethod
    def candidate_log(trial: Trial) -> tuple[Path, int]:
        """See `Runner`; it is there once the trial is over."""
        return trial.folder / CANDIDATE / "stdout.log", Limits.log_bytes

    async def execute(self, trial: Trial) -> Execution:
        """See `Runner`; the scorer has run too.

        Raises:
            FleetError: The workers of the pool cannot run it.
            RemoteError: The git remote refuses.
        """
        while not self._gate.is_open:
            await self._gate.opened()
        candidate = await self._desk.offer(trial.tree)
        order = self._make_order(trial, candidate)
        try:
            result = await self._desk.run(order, self._pool, self._metric, passing=trial.passing)
        except TrialCancelled:
            self._gate.cancel_asking(_OWNER)
            return await asyncio.Future()
        return result.unpack(trial.folder)

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """See `Runner`; nothing runs any more."""
        assert isinstance(execution, Returned)
        return execution.score
