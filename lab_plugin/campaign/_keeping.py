"""What an idea that would be kept has to pass before anything is written: the lock, and the hold-out."""

from __future__ import annotations

import asyncio

from lab_plugin.campaign._means import Means
from lab_plugin.campaign._trials import PointRun
from lab_plugin.epoch import holdout_of
from lab_plugin.holdout import HoldoutDesk, UntilStopped, holdout_runner
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, VerdictRecord
from lab_plugin.repository import RefChange
from lab_plugin.scorer import Lock


def open_holdout(lab: Lab, means: Means, until_stopped: UntilStopped) -> HoldoutDesk | None:
    """What scores a lab's hold-out; None where it has none.

    Args:
        lab: The lab.
        means: What its campaign works with.
        until_stopped: Ends a look when the campaign is stopped.
    """
    if lab.config.scorer.holdout is None:
        return None
    if pool := lab.config.tiers[-1].pool:
        assert means.fleet is not None
        away = means.fleet.runner(lab.config.tier, pool, sealed=True)
        return HoldoutDesk(lab, means.lease, away, until_stopped)
    record, lock = means.locked
    runner = holdout_runner(lab, means.sandboxes[""], holdout_of(lab, record), lock.terms)
    return HoldoutDesk(lab, means.lease, runner.with_slots(means.slots), until_stopped)


class KeepDesk:
    """Looks at keeps from close by.

    Args:
        lab: The lab.
        lock: The lock in force.
        holdout: The lab's hold-out; None when it has none.
    """

    def __init__(self, lab: Lab, lock: Lock, holdout: HoldoutDesk | None) -> None:
        self._lab = lab
        self._lock = lock
        self._holdout = holdout

    async def review(self, record: VerdictRecord, champion: Champion, run: PointRun) -> VerdictRecord:
        """The verdict of an idea that would be kept, which the hold-out may turn.

        Args:
            record: The verdict so far; any other than `kept` stays as it is.
            champion: It was compared with.
            run: The point that decides.

        Raises:
            LockError: All that makes a score is not what was locked; the environment is looked at as closely
                as at the lock. The idea stays open.
            SandboxUnavailable: The hold-out could not be scored; the idea stays open.
        """
        if record.verdict != "kept":
            return record
        await asyncio.to_thread(self._lab.require_terms, self._lock, "whole")
        if self._holdout is None:
            return record
        return await self._holdout.review(record, champion, run.trial, run.execution)

    def settle(self, number: int) -> list[RefChange]:
        """What else the transaction of an idea's verdict does."""
        return self._holdout.settle(number) if self._holdout is not None else []

    def forget(self, number: int) -> None:
        """Let go of an idea that has its verdict."""
        if self._holdout is not None:
            self._holdout.forget(number)
