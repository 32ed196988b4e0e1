"""From scores to a verdict: decided against the champion of the moment, written as one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lab_plugin.campaign._curves import curves_of
from lab_plugin.campaign._keeping import KeepDesk
from lab_plugin.campaign._ruling import (
    Ruling,
    best_of,
    failure_word,
    origin_of,
    ruled,
)
from lab_plugin.campaign._trials import PointRun
from lab_plugin.campaign._verdict_record import Clock, RecordDesk
from lab_plugin.comparison import ComparisonDesk, OpenComparison
from lab_plugin.details import Details, store_score, write_details
from lab_plugin.errors import RefConflict, RepositoryError
from lab_plugin.evidence import EvidenceDesk
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import require_branches
from lab_plugin.ledger import Champion, TierRecord, VerdictRecord
from lab_plugin.repository import Lease, RefChange
from lab_plugin.scorer import CANDIDATE, Score

_TRIES = 5


class VerdictDesk:
    """Makes verdicts, one at a time.

    Args:
        lab: The lab.
        lease: This campaign's lease; every verdict is void without it.
        digest: The lock's digest.
        evidence: Takes what is shown of an idea.
        keeping: Looks at what would be kept.
        comparisons: Says what the rule decides.
    """

    def __init__(
        self,
        lab: Lab,
        lease: Lease,
        digest: str,
        evidence: EvidenceDesk,
        keeping: KeepDesk,
        comparisons: ComparisonDesk,
    ) -> None:
        self._lab = lab
        self._lease = lease
        self._evidence = evidence
        self._keeping = keeping
        self._comparisons = comparisons
        self._records = RecordDesk(lab, digest, comparisons)
        self._one_at_a_time = asyncio.Lock()

    async def decide(
        self, idea: Idea, runs: Sequence[PointRun], scores: Sequence[Score], clock: Clock, flow_run: str
    ) -> tuple[VerdictRecord, str] | None:
        """Decide an idea, lay its evidence down and append the verdict to the ledger.

        On a keep the champion moves in the same transaction. When another writer came first, the idea is
        decided again against the champion that is there now.

        Returns:
            The verdict, and its report as markdown; None where the champion has changed, and the idea needs
            more repeats beside the new one.

        Raises:
            RepositoryError: The lease was lost, or git refuses.
            LockError: It would be kept, and all that makes a score is not what was locked.
            SandboxUnavailable: It would be kept, and its hold-out could not be scored.
        """
        best = best_of(scores, self._lab.config.scorer.goal)
        trial = _trial_of(runs, best)
        details = await asyncio.to_thread(self.details_of, runs, scores, best)
        async with self._one_at_a_time:
            for _ in range(_TRIES):
                if self._comparisons.unclear(idea.number):
                    return None
                ruling = self._rule_on(idea, runs, scores, best, self._comparisons.get(idea.number))
                record = self._records.record(idea, ruling, runs, scores, clock, flow_run)
                record = record.model_copy(update={"details": details})
                if runs:
                    record = await self._keeping.review(record, self._champion(), runs[best])
                if (report := await self._written(idea, record, trial)) is not None:
                    return record, report
            raise _moving("verdict", idea.number)

    async def close(
        self,
        idea: Idea,
        ruling: Ruling,
        clock: Clock,
        flow_run: str = "",
        trial: Path | None = None,
        scores: Sequence[Score] = (),
    ) -> tuple[VerdictRecord, str]:
        """Write the verdict of an idea that is not compared with anything.

        Args:
            idea: The idea.
            ruling: Its verdict; never `kept`.
            clock: Times.
            flow_run: Of its iteration.
            trial: Folder of the trial that it shows, if there was one.
            scores: Of its one point, where trials without a value are why.

        Returns:
            The verdict, and its report as markdown.

        Raises:
            RepositoryError: The lease was lost, or git refuses.
        """
        async with self._one_at_a_time:
            for _ in range(_TRIES):
                record = self._records.record(idea, ruling, (), scores, clock, flow_run)
                if (report := await self._written(idea, record, trial)) is not None:
                    return record, report
            raise _moving("verdict", idea.number)

    async def screen(self, record: TierRecord, details: str = "") -> None:
        """Write the result of an idea at a tier before the last.

        Args:
            record: The result.
            details: Tree of what its scoring said; "" for nothing.

        Raises:
            RepositoryError: The lease was lost, or git refuses.
        """
        record = record.model_copy(update={"details": details})
        async with self._one_at_a_time:
            for _ in range(_TRIES):
                try:
                    await asyncio.to_thread(
                        self._lab.ledger.append,
                        record,
                        candidate=record.commit,
                        tree=details or None,
                        changes=[self._lease.fence()],
                    )
                except RefConflict:
                    self._lease.require()
                    self._lab.ledger.state()
                else:
                    return
            raise _moving("result", record.number)

    async def _written(self, idea: Idea, record: VerdictRecord, trial: Path | None) -> str | None:
        """Write a verdict and take it in; returns its report, and None where another writer came first."""
        try:
            report = await asyncio.to_thread(self._write, idea, record, trial)
        except RefConflict:
            self._lease.require()
            return None
        self._comparisons.settle(record)
        return report

    def _write(self, idea: Idea, record: VerdictRecord, trial: Path | None) -> str:
        lab = self._lab
        # Before the ledger has it: who mirrors the ledger finds the evidence whole.
        report = self._evidence.gather(record, trial)
        changes = [
            self._lease.fence(),
            RefChange(f"refs/heads/{record.branch}", record.commit, ""),
            RefChange(lab.open_prefix + idea.name, None, idea.opened or idea.commit),
            *self._keeping.settle(idea.number),
        ]
        if record.verdict == "kept":
            require_branches(lab)
            changes.append(RefChange(lab.best_ref, record.commit, self._champion().commit))
        tree = record.details or None
        lab.ledger.append(record, candidate=record.commit, tree=tree, changes=changes)
        self._keeping.forget(idea.number)
        return report

    def details_of(self, runs: Sequence[PointRun], scores: Sequence[Score], best: int) -> str:
        """Store all curves, and what was said of the point that decides unless the ledger answered for it.

        Args:
            runs: Of all points.
            scores: Of them.
            best: Index of the point that decides.

        Returns:
            The tree's object id; "" when nothing was said.
        """
        curves = curves_of(runs)
        if not runs or not scores or runs[best].answer is not None:
            return write_details(self._lab.repository, Details(), self._lab.redactor.text, curves)
        stderr = runs[best].trial.folder / CANDIDATE / "stderr.log"
        return store_score(self._lab, scores[best], stderr, curves)

    def _rule_on(
        self,
        idea: Idea,
        runs: Sequence[PointRun],
        scores: Sequence[Score],
        best: int,
        one: OpenComparison | None,
    ) -> Ruling:
        if idea.fault is not None:
            return Ruling(verdict=idea.fault.verdict, reason=idea.fault.reason)
        score, answer = scores[best], runs[best].answer
        origin = origin_of(idea, answer.number) if answer is not None else ""
        if one is None:
            return Ruling(verdict=failure_word(score), reason=origin + score.reason)
        if one.failure is not None and not one.champion_failed:
            return Ruling(verdict=failure_word(one.failure), reason=origin + one.failure.reason)
        picked = f"best of {len(idea.points)} points is " if len(idea.points) > 1 else ""
        if one.champion_failed:
            metrics = dict(score.metrics)
            return Ruling("inconclusive", origin + one.champion_failed, score.value, metrics)
        ruling = ruled(self._comparisons.outlook(idea.number), score, origin + picked, self._metric)
        # Of the first run that counts: it is taken anew where the machine has changed since.
        first = one.scores.get(self._lab.config.decision.seed, {})
        return replace(ruling, metrics={**ruling.metrics, **first})

    @property
    def _metric(self) -> str:
        return self._lab.config.scorer.metric

    def _champion(self) -> Champion:
        champion = self._lab.ledger.state().champion
        if champion is None:
            raise RepositoryError(f"The lab {self._lab.name} has no champion.", "Run `lab lock`.")
        return champion


def _trial_of(runs: Sequence[PointRun], best: int) -> Path | None:
    """Folder of the trial that a verdict shows: its best point's, else the first that ran, if any."""
    ran = [run for run in (*runs[best : best + 1], *runs) if run.answer is None]
    return ran[0].trial.folder if ran else None


def _moving(what: str, number: int) -> RepositoryError:
    return RepositoryError(
        f"The {what} of idea {number} could not be written: its refs keep moving.",
        "Look who else writes to this repository, then run `lab run` again; the idea is kept open.",
    )
