"""The way of an idea: proposed, run, scored, compared and decided, at each of its tiers."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from lab_plugin import events
from lab_plugin.campaign._agenda import Agenda
from lab_plugin.campaign._ahead import Ahead
from lab_plugin.campaign._comparing import open_comparison
from lab_plugin.campaign._control import Cancelled
from lab_plugin.campaign._ideas import IdeaDesk
from lab_plugin.campaign._keeping import KeepDesk, open_holdout
from lab_plugin.campaign._means import Means
from lab_plugin.campaign._promotions import PromotionDesk, Screening
from lab_plugin.campaign._proposing import ProposalDesk
from lab_plugin.campaign._resuming import take_over
from lab_plugin.campaign._ruling import Ruling, best_of
from lab_plugin.campaign._spending import Spending
from lab_plugin.campaign._telling import Telling
from lab_plugin.campaign._tiers import screening_desks, stages_of, trials_of
from lab_plugin.campaign._trials import PointRun, TrialDesk
from lab_plugin.campaign._verdict_record import Clock
from lab_plugin.campaign._verdicts import VerdictDesk
from lab_plugin.comparison import ComparisonDesk
from lab_plugin.config import Tier
from lab_plugin.evidence import EvidenceDesk
from lab_plugin.feedback import Feedback
from lab_plugin.guidance import GuideDesk
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, OpenCampaign, TierRecord, VerdictRecord
from lab_plugin.queue import Numbers
from lab_plugin.scheduling import Line, Schedule
from lab_plugin.scorer import Score

T = TypeVar("T")


class Steps:
    """What is done with the ideas of one campaign, each from its proposal to its verdict.

    Args:
        lab: The lab.
        view: The campaign by the ledger.
        means: What it works with.

    Attributes:
        lab: The lab.
        number: The campaign's number.
        spending: Its accounts.
        control: Ends and holds back what the owner wishes.
        set_aside: A sentence for each open idea that cannot be read back, and is left alone.
    """

    def __init__(self, lab: Lab, view: OpenCampaign, means: Means) -> None:
        self.lab = lab
        self.number = view.number
        self.spending = Spending(lab, view)
        self.control = means.control
        self._lease = means.lease
        self._slots = means.slots
        self._fleet = means.fleet
        self._feedback = Feedback(lab)
        self._visits: dict[int, float] = {}
        self._flow_runs: dict[int, str] = {}
        self._cancelled: dict[int, str] = {}
        self._guidance: GuideDesk | None = None
        self._executions: Ahead[tuple[PointRun, ...] | None] = Ahead()
        record, self._lock = means.locked
        self._epoch = record.epoch
        self._ideas = IdeaDesk(lab, means.proposer, lab.pool, lab.folder / "proposals")
        self._trials = trials_of(lab, means)
        self._screening = screening_desks(lab, view, means)
        keeping = KeepDesk(lab, self._lock, open_holdout(lab, means, self._unless_stopped))
        evidence = EvidenceDesk(lab, lab.folder / "evidence")
        self._comparisons = ComparisonDesk(lab, record, view, self._trials.repeat)
        self._verdicts = VerdictDesk(lab, self._lease, record.digest, evidence, keeping, self._comparisons)
        self._numbers = Numbers(lab)
        self._telling = Telling(means.proposer, deferred=lab.config.strategy.order == "deterministic")
        self._agenda = self._open_agenda()
        self._proposals = ProposalDesk(
            self._ideas,
            self._agenda,
            self._telling,
            self.control,
            champion=self._champion,
            campaign=self.number,
            epoch=self._epoch,
        )
        self._promotions = PromotionDesk(
            self._agenda, self._verdicts, self._close, self._tell_result, self.spending.must_end
        )
        self._open, trees, self.set_aside = take_over(lab, self._agenda, self._ideas, self.number)
        self._comparisons.forget_all_but(trees)
        for desk in self._screening.values():
            desk.forget_all_but({*trees, lab.repository.tree_of(self._champion().commit)})

    def tier_of(self, number: int) -> Tier:
        """The tier at which an idea without a verdict is."""
        name = self._agenda.schedule.tier_of(number)
        return next(tier for tier in self.lab.config.tiers if tier.name == name)

    def idea(self, number: int) -> Idea:
        """An idea without a verdict: of several points, since one went on, as that one."""
        return self._open[number]

    def begin(self, number: int) -> None:
        """Start to make an idea and to run it, which `propose` and `execute` then take.

        Meanwhile its flow run can be opened, and no slot waits for that.
        """
        proposal = self._proposals.begin(number, self._open)
        # Who is asked about a proposal has the say before it runs.
        if self._guidance is None:
            self._executions.begin(number, self._executed_once(number, proposal))

    async def forget_begun(self) -> None:
        """End what was begun and nobody took."""
        await self._executions.forget()
        await self._proposals.forget_begun()

    async def propose(self, number: int) -> Idea:
        """Take up the idea that is open under this number, or make a new one."""
        return await self._proposals.take(number, self._open)

    async def execute(self, idea: Idea) -> tuple[PointRun, ...]:
        """Run the candidate, once per point, at the tier at which the idea is.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        begun = self._executions.take(idea.number)
        runs = None if begun is None else await begun
        return await self._executed(idea) if runs is None else runs

    async def _executed_once(
        self, number: int, proposal: asyncio.Future[Idea]
    ) -> tuple[PointRun, ...] | None:
        """The runs of what will be proposed; None where that is nothing, or goes to workers."""
        await asyncio.wait((proposal,))
        if proposal.cancelled() or proposal.exception() or self.tier_of(number).pool:
            return None
        return await self._executed(proposal.result())

    async def _executed(self, idea: Idea) -> tuple[PointRun, ...]:
        return await self._until_cancelled(idea, "executing", self._trials_of(idea).execute(idea)) or ()

    async def evaluate(self, idea: Idea, runs: tuple[PointRun, ...]) -> tuple[Score, ...]:
        """Score what the candidates left, with the scorer that was locked.

        Raises:
            LockError: The scorer changed since the lock; nothing is scored with it.
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        if idea.number in self._cancelled:
            return ()
        await self._require_lock()
        return await self._until_cancelled(idea, "evaluating", self._trials_of(idea).evaluate(runs)) or ()

    async def in_turn(
        self, idea: Idea, runs: tuple[PointRun, ...], scores: tuple[Score, ...]
    ) -> tuple[tuple[PointRun, ...], tuple[Score, ...]]:
        """Wait until the result of an idea may count, where the order of results is fixed.

        Returns:
            Its runs and scores; what the ledger answers for by now is as it says.
        """
        if not self._agenda.fixed:
            return runs, scores
        schedule = self._agenda.schedule
        turn = self._agenda.until(lambda: schedule.may_count(idea.number))
        await self._until_cancelled(idea, "", turn)
        if idea.number in self._cancelled:
            return (), ()
        return self._trials_of(idea).answered(runs, scores)

    async def screen(
        self, idea: Idea, runs: tuple[PointRun, ...], scores: tuple[Score, ...], flow_run: str = ""
    ) -> Screening:
        """Score an idea on the further seeds of its tier, write its result, and see whether it goes on.

        Raises:
            LockError: The scorer changed since the lock; nothing is scored with it.
            SandboxUnavailable: The sandbox broke; may be called again, and goes on.
            RepositoryError: The result cannot be written.
        """
        if idea.number in self._cancelled:
            return Screening(verdict=await self._end_cancelled(idea.number))
        if idea.fault is not None or scores[self._best(scores, idea)].value is None:
            return Screening(verdict=await self.decide(idea, runs, scores, flow_run))
        await self._require_lock()
        desk = self._screening[self.tier_of(idea.number).name]
        self._flow_runs[idea.number] = flow_run
        screening_it = desk.screen(idea, runs, scores, self._champion())
        found = await self._until_cancelled(idea, "comparing", screening_it)
        if found is None:
            return Screening(verdict=await self._end_cancelled(idea.number))
        # What came of it is told of the point that it came of.
        self._open[idea.number] = self._ideas.narrowed(idea, found.tree)
        if found.record is None:
            assert found.failure is not None
            ruling = Ruling(verdict=found.word, reason=found.failure.reason)
            verdict = await self._close(idea.number, ruling, found.failure)
            self._agenda.counted()
            return Screening(verdict=verdict)
        best = self._best(scores, idea)
        details = await asyncio.to_thread(self._verdicts.details_of, runs, scores, best)
        screening = await self._promotions.count(found.record, details)
        desk.trials.settle(found.record, runs)
        waits = screening.verdict is None and not screening.goes_on
        if waits:
            self.control.rest(idea.number)
        events.publish(events.IdeaScreened(found.record, flow_run, screening.sentence, waits))
        # What its programs took here is told in its result.
        self._visits[idea.number] = self._visits.get(idea.number, 0.0) + found.record.seconds
        return screening

    def unclear(self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score]) -> bool:
        """Whether an idea needs `compare` before it can be decided."""
        if idea.number in self._cancelled:
            return False
        if idea.fault is None and scores:
            best = self._best(scores, idea)
            open_comparison(self._comparisons, self.lab.ledger.state(), idea, runs[best].answer, scores, best)
        return self._comparisons.unclear(idea.number)

    async def compare(self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score]) -> None:
        """Run the idea and the champion on further seeds, until the rule has its answer.

        Raises:
            LockError: The scorer changed since the lock; nothing is scored with it.
            SandboxUnavailable: The sandbox broke; may be called again, and goes on.
        """
        if not self.unclear(idea, runs, scores):
            return
        await self._require_lock()
        comparing = self._comparisons.compare(idea.number, self.spending.hours_spent)
        await self._until_cancelled(idea, "comparing", comparing)

    async def decide(
        self, idea: Idea, runs: tuple[PointRun, ...], scores: Sequence[Score], flow_run: str = ""
    ) -> VerdictRecord:
        """Write the verdict with its evidence, and tell the proposer."""
        decided = None
        while decided is None:
            if not self._agenda.schedule.screens(idea.number):
                # Nothing to do, unless another keep came in between.
                await self.compare(idea, runs, scores)
            if idea.number in self._cancelled:
                self._flow_runs[idea.number] = flow_run
                return await self._end_cancelled(idea.number)
            clock = self._clock(idea.number)
            decided = await self._verdicts.decide(idea, runs, scores, clock, flow_run)
        self._trials_of(idea).settle(decided[0], runs)
        self._settled(*decided)
        self._agenda.counted()
        return decided[0]

    def _open_agenda(self) -> Agenda:
        strategy = self.lab.config.strategy
        line = Line(strategy.window) if strategy.order == "deterministic" else None
        schedule = Schedule(stages_of(self.lab.config.tiers), line)
        told = self._telling
        return Agenda(
            schedule, line, self._numbers.take, self.spending.exhausted, self._champion, lambda: told.count
        )

    async def _close(self, number: int, ruling: Ruling, failure: Score | None = None) -> VerdictRecord:
        """Write the verdict of an idea that is compared with nothing.

        Args:
            number: The idea's.
            ruling: Its verdict.
            failure: What came of its trials at the tier where it is, if that is why.
        """
        idea, folder = self._open[number], self._trials.folder_of(number)
        trial = next((path.parent for path in sorted(folder.glob("**/candidate"))), None)
        flow_run = self._flow_runs.get(number, "")
        clock = self._clock(number)
        scores = () if failure is None else (failure,)
        decided = await self._verdicts.close(idea, ruling, clock, flow_run, trial, scores)
        self._settled(*decided)
        return decided[0]

    def _tell_result(self, record: TierRecord) -> None:
        self._telling.add(self._feedback.screened(record))

    def _settled(self, record: VerdictRecord, report: str) -> None:
        number = record.number
        self._visits.pop(number, None)
        self._cancelled.pop(number, None)
        self.control.leave(number)
        self._flow_runs.pop(number, None)
        self._open.pop(number, None)
        if self._fleet is not None:
            self._fleet.settle(number)
        shutil.rmtree(self._trials.folder_of(number), ignore_errors=True)
        self._telling.add(self._feedback.of(record))
        self._agenda.decided(number, record.verdict)
        events.publish(self._decided(record, report))

    def _clock(self, number: int) -> Clock:
        now = time.monotonic()
        return Clock(
            iteration=max(0.0, now - self._visits.get(number, now)),
            campaign=self.spending.seconds,
            tier=self._agenda.schedule.tier_of(number),
        )

    def _best(self, scores: Sequence[Score], idea: Idea) -> int:
        return best_of(scores, self.tier_of(idea.number).config.scorer.goal)

    def _trials_of(self, idea: Idea) -> TrialDesk:
        desk = self._screening.get(self.tier_of(idea.number).name)
        return desk.trials if desk is not None else self._trials

    def _champion(self) -> Champion:
        champion = self.lab.ledger.state().champion
        assert champion is not None
        return champion

    async def _until_cancelled(self, idea: Idea, phase: str, work: Coroutine[Any, Any, T]) -> T | None:
        """Do a step of an idea; None when its owner ended it, which its verdict then says."""
        try:
            return await self.control.step(idea.number, phase, work)
        except Cancelled as wish:
            self._cancelled.setdefault(idea.number, str(wish))
            return None

    async def _end_cancelled(self, number: int) -> VerdictRecord:
        verdict = await self._close(number, Ruling(verdict="inconclusive", reason=self._cancelled[number]))
        self._agenda.counted()
        return verdict

    async def _require_lock(self) -> None:
        await asyncio.to_thread(self.lab.require_terms, self._lock)
        self.lab.require_snapshots()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what is no idea's own, or end it when the campaign is stopped."""
        return await self.control.step(0, "", work)

    def _decided(self, record: VerdictRecord, report: str) -> events.IdeaDecided:
        view = self.spending.view
        return events.IdeaDecided(
            record=record,
            report=report,
            iterations=view.spent.iterations,
            kept=view.kept,
            champion=self._champion().value,
            seconds=self.spending.seconds,
            usd=view.spent.usd,
        )
