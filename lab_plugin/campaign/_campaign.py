"""One campaign: who holds the lab, what is left to do, and the four steps of every idea."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab_plugin import events
from lab_plugin.budget import Budget, Spent, exhausted
from lab_plugin.campaign._ideas import IdeaDesk
from lab_plugin.campaign._keeping import KeepDesk
from lab_plugin.campaign._trials import PointRun, TrialDesk
from lab_plugin.campaign._verdicts import Clock, VerdictDesk, best_of
from lab_plugin.comparison import ComparisonDesk
from lab_plugin.confirmation import confirm_champion, confirmation_sentence, needs_confirmation
from lab_plugin.epoch import holdout_of, snapshot_of
from lab_plugin.errors import LabError, SandboxUnavailable, SpaceExhausted
from lab_plugin.evidence import EvidenceDesk
from lab_plugin.feedback import Feedback
from lab_plugin.holdout import HoldoutDesk, holdout_runner
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, OpenCampaign, State, VerdictRecord
from lab_plugin.proposers import Proposer
from lab_plugin.repository import Lease
from lab_plugin.sandbox import Sandbox
from lab_plugin.scorer import Score
from lab_plugin.slots import Slots

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What the caller wants of a campaign.

    Attributes:
        budget: Bounds that replace those of `[budget]`, by name; also revises an open campaign.
        fresh: Start a new campaign whose proposer does not see earlier ideas.
        rerun: Idea -> repeats in all: go on with the comparisons of these, and make no new ideas.
        jobs: Iterations at a time, for which there must be cores.
    """

    budget: Mapping[str, float] = field(default_factory=dict)
    fresh: bool = False
    rerun: Mapping[int, int] = field(default_factory=dict)
    jobs: int = 1


class Interrupted(Exception):
    """The campaign was asked to stop while an idea was on its way; the idea stays open."""


class Campaign:
    """A campaign that this process runs. Made by `open_campaign`.

    Attributes:
        lab: The lab.
        number: The campaign's number.
        resumed: It was open before this process.
        set_aside: A sentence for each open idea that cannot be read back, and is left alone.
    """

    def __init__(
        self,
        lab: Lab,
        view: OpenCampaign,
        resumed: bool,
        sandbox: Sandbox,
        lease: Lease,
        proposer: Proposer,
        slots: Slots,
    ) -> None:
        self.lab = lab
        self._lease = lease
        self.number = view.number
        self.resumed = resumed
        self._proposer = proposer
        self._feedback = Feedback(lab)
        self._budget = Budget.from_record(dict(view.budget))
        self._base_seconds = view.spent.seconds
        self._began = time.monotonic()
        self._started: dict[int, float] = {}
        self._stopped = asyncio.Event()
        self._stop_reason = ""
        self._closed = False
        record, lock = lab.require_lock()
        self._epoch = record.epoch
        self._lock = lock
        pool = lab.pool
        self._ideas = IdeaDesk(lab, proposer, pool, lab.folder / "proposals")
        self._slots = slots
        runner = lab.runner_of(sandbox, snapshot_of(lab, record), lock.terms.files).with_tests(record.tests)
        self._trials = TrialDesk(lab, runner.with_slots(slots), pool, lab.folder / "trials")
        evidence = EvidenceDesk(lab, lab.folder / "evidence")
        keeping = KeepDesk(lab, lock, self._holdout(sandbox, lease, record))
        self._comparisons = ComparisonDesk(lab, record, view, self._trials.repeat)
        self._verdicts = VerdictDesk(lab, lease, record.digest, evidence, keeping, self._comparisons)
        self._left_open, set_aside = self._ideas.left_open(view.number, record.epoch)
        self._comparisons.forget_all_but({point.tree for idea in self._left_open for point in idea.points})
        self.set_aside = tuple(set_aside)
        self._taken_up: dict[int, Idea] = {}
        self._reruns: list[Idea] | None = None
        self._next_number = max(lab.ledger.state().next_number, self._ideas.highest_number() + 1)

    @property
    def stop_reason(self) -> str:
        """Why no further iteration starts; empty while one may."""
        return self._stop_reason

    @property
    def finished(self) -> bool:
        """Whether the budget is spent; otherwise `lab run` goes on with the campaign."""
        return self._closed and not self._started

    @property
    def budget(self) -> Budget:
        """The campaign's bounds."""
        return self._budget

    @property
    def view(self) -> OpenCampaign:
        """The campaign as the ledger has it now."""
        return self._view_in(self.lab.ledger.state())

    def next_number(self) -> int | None:
        """The number of the next idea, or None when the campaign is over or asked to stop.

        The budget is checked here, before anything is spent; iterations in flight count as spent.
        """
        if self._stop_reason:
            return None
        if self._reruns is not None and not self._reruns:
            # A campaign that was open before goes on with its own ideas another time.
            self._stop_reason, self._closed = "all reruns are under way or decided", not self.resumed
            return None
        if self._reruns is None and (reason := self._exhausted()):
            self._stop_reason = reason
            self._closed = True
            return None
        if self._reruns:
            return self._take_up(self._reruns.pop(0))
        if self._left_open:
            return self._take_up(self._left_open.pop(0))
        number = self._next_number
        self._next_number += 1
        self._started[number] = time.monotonic()
        return number

    def rerun(self, ideas: Mapping[int, int]) -> None:
        """Go on with the comparisons of ideas, and make no new ones.

        Args:
            ideas: Idea -> repeats in all. One that a dead process had taken up goes on as that left it.
        """
        known = self.lab.ledger.state().ideas
        waiting = {idea.continues: idea for idea in self._left_open if idea.continues}
        self._reruns = []
        for number, repeats in ideas.items():
            idea = waiting.get(number)
            if idea is None:
                idea = self._ideas.rerun(self._next_number, self.number, known[number], repeats)
                self._next_number += 1
            self._reruns.append(idea)

    def _take_up(self, idea: Idea) -> int:
        self._taken_up[idea.number] = idea
        self._started[idea.number] = time.monotonic()
        return idea.number

    def stop(self, reason: str) -> None:
        """End now: running trials are killed, their ideas stay open, and `lab run` goes on with them."""
        if not self._stopped.is_set() and (self._started or not self._closed):
            self._stop_reason, self._closed = reason, False
        self._stopped.set()

    def newest(self, count: int) -> list[VerdictRecord]:
        """The newest verdicts of this campaign, oldest first."""
        records = list(self.lab.ledger.state().ideas.values())[-count:]
        return [record for record in records if record.campaign == self.number]

    def share_spent(self) -> float:
        """How much of the budget is spent, 0 to 1; of the bound that is nearest."""
        spent = self.view.spent
        shares = [0.0]
        if self._budget.iterations:
            shares.append(spent.iterations / self._budget.iterations)
        if self._budget.hours:
            shares.append(self.seconds / 3600 / self._budget.hours)
        if self._budget.cost_usd:
            shares.append(spent.usd / self._budget.cost_usd)
        return min(1.0, max(shares))

    async def propose(self, number: int) -> Idea:
        """Take up the idea that was left open under this number, or make a new one."""
        if (idea := self._taken_up.pop(number, None)) is not None:
            return idea
        champion = self.lab.ledger.state().champion
        assert champion is not None
        try:
            return await self._unless_stopped(self._ideas.propose(number, self.number, self._epoch, champion))
        except SpaceExhausted as error:
            del self._started[number]
            self._stop_reason, self._closed = error.message, True
            raise Interrupted(error.message) from None

    async def execute(self, idea: Idea) -> tuple[PointRun, ...]:
        """Run the candidate, once per point.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        return await self._unless_stopped(self._trials.execute(idea))

    async def evaluate(self, idea: Idea, runs: tuple[PointRun, ...]) -> tuple[Score, ...]:
        """Score what the candidates left, with the scorer that was locked.

        Raises:
            LockError: The scorer changed since the lock; nothing is scored with it.
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        await asyncio.to_thread(self.lab.require_terms, self._lock)
        self.lab.require_snapshots()
        return await self._unless_stopped(self._trials.evaluate(runs))

    def unclear(self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score]) -> bool:
        """Whether an idea needs `compare` before it can be decided."""
        self._begin(idea, runs, scores)
        return self._comparisons.unclear(idea.number)

    async def compare(self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score]) -> None:
        """Run the idea and the champion on further seeds, until the rule has its answer.

        Raises:
            LockError: The scorer changed since the lock; nothing is scored with it.
            SandboxUnavailable: The sandbox broke; may be called again, and goes on.
        """
        if not self.unclear(idea, runs, scores):
            return
        await asyncio.to_thread(self.lab.require_terms, self._lock)
        self.lab.require_snapshots()
        await self._unless_stopped(self._comparisons.compare(idea.number, self._hours_spent))

    async def decide(
        self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score], flow_run: str = ""
    ) -> VerdictRecord:
        """Write the verdict with its evidence, and tell the proposer."""
        decided = None
        while decided is None:
            # Nothing to do, unless another keep came in between.
            await self.compare(idea, runs, scores)
            now = time.monotonic()
            clock = Clock(iteration=now - self._started.get(idea.number, now), campaign=self.seconds)
            decided = await self._verdicts.decide(idea, runs, scores, clock, flow_run)
        record, report = decided
        del self._started[idea.number]
        shutil.rmtree(self._trials.folder_of(idea.number), ignore_errors=True)
        for outcome in self._feedback.of(record):
            self._proposer.tell(outcome)
        self._publish(record, report)
        return record

    @property
    def to_confirm(self) -> bool:
        """Whether the campaign ends with a champion that has yet to meet the baseline on fresh seeds."""
        wished = self.lab.config.decision.confirm > 0
        return self.finished and wished and needs_confirmation(self.lab.ledger.state())

    async def confirm(self) -> str:
        """Have the champion meet the baseline on fresh seeds; returns what came of it, as a sentence.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        scorer, repeats = self.lab.config.scorer, self.lab.config.decision.confirm
        work = confirm_champion(self.lab, self._lease, self._trials.repeat, repeats, self.number)
        try:
            record = await self._unless_stopped(work)
        except (LabError, Interrupted) as error:
            if isinstance(error, SandboxUnavailable):
                raise
            sentence = f"not confirmed: {error}; `lab confirm` does it later"
        else:
            sentence = confirmation_sentence(record, scorer.metric, scorer.goal)
        events.publish(events.ChampionConfirmed(sentence))
        return sentence

    @property
    def seconds(self) -> float:
        """Active wall seconds of the campaign, earlier processes included."""
        return self._base_seconds + time.monotonic() - self._began

    def _begin(self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score]) -> None:
        """Open the comparison of an idea that has a score; one that the ledger answers for brings its own."""
        if idea.fault is not None or not scores:
            return
        best = best_of(scores, self.lab.config.scorer.goal)
        point, answer = idea.points[best], runs[best].answer
        number = idea.continues or (answer.number if answer is not None else 0)
        state = self.lab.ledger.state()
        earlier = state.ideas.get(number)
        if earlier is not None and earlier.sequence <= state.moved:
            # The machine has changed since: nothing of it can be compared with what is scored now.
            earlier = None
        if earlier is not None and earlier.comparison is not None and earlier.tree == point.tree:
            self._comparisons.resume(idea.number, earlier, idea.max_repeats if idea.continues else 0)
        else:
            self._comparisons.begin(idea.number, point.tree, point.params, scores, best)

    def _hours_spent(self) -> str:
        hours = self._budget.hours
        return f"as {hours:g} hours are spent" if hours and self.seconds >= 3600 * hours else ""

    def _holdout(self, sandbox: Sandbox, lease: Lease, record: LockRecord) -> HoldoutDesk | None:
        if self.lab.config.scorer.holdout is None:
            return None
        runner = holdout_runner(self.lab, sandbox, holdout_of(self.lab, record), self._lock.terms)
        return HoldoutDesk(self.lab, lease, runner.with_slots(self._slots), self._unless_stopped)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do a step of an idea, or end it and everything that it started when the campaign is stopped."""
        step = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((step, stop), return_when=asyncio.FIRST_COMPLETED)
            if step.done():
                return step.result()
            raise Interrupted(f"{self._stop_reason}; the idea stays open, `lab run` goes on with it")
        finally:
            stop.cancel()
            if not step.done():
                step.cancel()
                await asyncio.wait((step,))

    def _view_in(self, state: State) -> OpenCampaign:
        view = state.campaign
        if view is None or view.number != self.number:
            raise LabError(f"Campaign {self.number} was closed by somebody else.", "Run `lab run` again.")
        return view

    def _exhausted(self) -> str | None:
        state = self.lab.ledger.state()
        view = self._view_in(state)
        spent = Spent(
            iterations=view.spent.iterations,
            seconds=self.seconds,
            usd=view.spent.usd,
            crashes=view.spent.crashes,
            since_keep=view.spent.since_keep,
        )
        assert state.champion is not None
        goal = self.lab.config.scorer.goal
        # Between its verdict and the end of its iteration, an idea is in the ledger and still under way.
        in_flight = sum(number not in state.ideas for number in self._started)
        return exhausted(self._budget, spent, state.champion.value, goal, in_flight)

    def _publish(self, record: VerdictRecord, report: str) -> None:
        view = self.view
        champion = self.lab.ledger.state().champion
        assert champion is not None
        events.publish(
            events.IdeaDecided(
                record=record,
                report=report,
                iterations=view.spent.iterations,
                kept=view.kept,
                champion=champion.value,
                seconds=self.seconds,
                usd=view.spent.usd,
            )
        )
