"""The hold-out in a campaign: at most one look at each idea that is about to be kept."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from lab_plugin.config import Holdout as Rules
from lab_plugin.holdout._guard import judge
from lab_plugin.holdout._looks import Looks
from lab_plugin.holdout._scoring import HoldoutScore, score_holdout
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, VerdictRecord
from lab_plugin.repository import Lease, RefChange
from lab_plugin.sandbox import Execution
from lab_plugin.scorer import Runner, Trial

_REASON = 2_000


class UntilStopped(Protocol):
    """Does a piece of work, or ends it when the campaign is stopped."""

    async def __call__(self, work: Coroutine[Any, Any, HoldoutScore]) -> HoldoutScore: ...


class HoldoutDesk:
    """Looks at ideas that the decision would keep.

    Args:
        lab: A lab that has a hold-out.
        lease: The campaign's.
        runner: Runs sealed scorings.
        until_stopped: Ends a look when the campaign is stopped; the idea stays open then.
    """

    def __init__(self, lab: Lab, lease: Lease, runner: Runner, until_stopped: UntilStopped) -> None:
        assert lab.config.scorer.holdout is not None
        self._rules: Rules = lab.config.scorer.holdout
        self._lab = lab
        self._lease = lease
        self._runner = runner
        self._until_stopped = until_stopped
        self._looks = Looks(lab)
        self._taken: dict[int, HoldoutScore | None] = {}

    async def review(
        self, record: VerdictRecord, champion: Champion, trial: Trial, execution: Execution | None
    ) -> VerdictRecord:
        """The verdict of an idea that is about to be kept, after a look at its hold-out value.

        An idea is looked at once, also when it is decided again because another keep came first, and not at
        all when the ledger has a look at the same tree. A verdict that the hold-out turns says so without a
        number: its reason is told to proposers.

        Args:
            record: The verdict so far.
            champion: It was compared with.
            trial: The public trial.
            execution: Its run; None when the ledger answered for it.

        Raises:
            SandboxUnavailable: The sandbox broke; the idea stays open.
            RefConflict: The lease was lost.
        """
        number = record.number
        known = self._known(record)
        if known is None and number not in self._taken:
            self._taken[number] = await self._look(record, trial, execution)
        score = known or self._taken[number]
        assert record.value is not None
        counted = known is None and score is not None
        goal = self._lab.config.scorer.goal
        found, kept = judge(self._rules, goal, record.value, score, champion.holdout, counted)
        changes: dict[str, Any] = {"holdout": found}
        if not kept:
            why = "hold-out guard, looks spent" if found.outcome == "unlooked" else "hold-out guard"
            reason = f"{record.reason[: _REASON - 100]}; not kept: {why}"
            changes |= {"verdict": "reverted", "reason": reason}
        return record.model_copy(update=changes)

    def settle(self, number: int) -> list[RefChange]:
        """What ends the note of a look, for the transaction of the verdict."""
        return self._looks.settle(number)

    def forget(self, number: int) -> None:
        """Let go of an idea that has its verdict."""
        self._taken.pop(number, None)

    async def _look(
        self, record: VerdictRecord, trial: Trial, execution: Execution | None
    ) -> HoldoutScore | None:
        if not self._looks.take(self._lease, record.number, record.commit):
            return None
        self._lab.require_snapshots()
        ran = None if execution is None else (trial, execution)
        work = score_holdout(self._lab, self._runner, record.tree, trial.params, ran, record.number)
        return await self._until_stopped(work)

    def _known(self, record: VerdictRecord) -> HoldoutScore | None:
        """What the ledger has of the same tree in this epoch."""
        twin = self._lab.ledger.state().ideas.get(record.duplicate_of or 0)
        same = twin is not None and (twin.epoch, twin.tree) == (record.epoch, record.tree)
        if not same or twin is None or twin.holdout is None or twin.holdout.outcome == "unlooked":
            return None
        return HoldoutScore(twin.holdout.value, twin.holdout.reason)
