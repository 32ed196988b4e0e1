"""From scores to a verdict: decided against the champion of the moment, written as one transaction."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab_plugin.campaign._keeping import KeepDesk
from lab_plugin.campaign._trials import PointRun
from lab_plugin.comparison import WORDS, ComparisonDesk, OpenComparison, Outlook
from lab_plugin.details import store_score
from lab_plugin.errors import RefConflict, RepositoryError
from lab_plugin.evidence import EvidenceDesk
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, Comparison, Goal, Point, VerdictRecord, Word
from lab_plugin.repository import Lease, RefChange
from lab_plugin.scorer import Score
from lab_plugin.timestamps import utc_now

_TRIES = 5
_REASON = 2_000


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Times that a verdict carries, in seconds.

    Attributes:
        iteration: From the start of the proposal to the verdict.
        campaign: Active time of the campaign.
    """

    iteration: float
    campaign: float


@dataclass(frozen=True)
class _Ruling:
    """The part of a record that the decision makes."""

    verdict: Word
    reason: str
    value: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    champion_value: float | None = None
    difference: float | None = None
    comparison: Comparison | None = None


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
        self._digest = digest
        self._evidence = evidence
        self._keeping = keeping
        self._comparisons = comparisons
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
        details = await asyncio.to_thread(self._details, runs[best : best + 1], scores[best : best + 1])
        async with self._one_at_a_time:
            for _ in range(_TRIES):
                if self._comparisons.unclear(idea.number):
                    return None
                record = self._record(idea, runs, scores, clock, flow_run)
                record = record.model_copy(update={"details": details})
                if runs:
                    record = await self._keeping.review(record, self._champion(), runs[best])
                try:
                    report = await asyncio.to_thread(self._write, idea, record, trial)
                except RefConflict:
                    self._lease.require()
                else:
                    self._comparisons.settle(record)
                    return record, report
            raise RepositoryError(
                f"The verdict of idea {idea.number} could not be written: its refs keep moving.",
                "Look who else writes to this repository, then run `lab run` again; the idea is kept open.",
            )

    def _write(self, idea: Idea, record: VerdictRecord, trial: Path | None) -> str:
        lab = self._lab
        # Before the ledger has it: who mirrors the ledger finds the evidence whole.
        report = self._evidence.gather(record, trial)
        changes = [
            self._lease.fence(),
            RefChange(f"refs/heads/{record.branch}", record.commit, ""),
            RefChange(lab.open_prefix + idea.name, None, idea.commit),
            *self._keeping.settle(idea.number),
        ]
        if record.verdict == "kept":
            lab.require_branches()
            changes.append(RefChange(lab.best_ref, record.commit, self._champion().commit))
        tree = record.details or None
        lab.ledger.append(record, candidate=record.commit, tree=tree, changes=changes)
        self._keeping.forget(idea.number)
        return report

    def _details(self, runs: Sequence[PointRun], scores: Sequence[Score]) -> str:
        """Store what was said of the point that decides; nothing where the ledger answered for it."""
        for run, score in zip(runs, scores, strict=True):
            if run.execution is not None:
                return store_score(self._lab, score, run.execution)
        return ""

    def _record(
        self, idea: Idea, runs: Sequence[PointRun], scores: Sequence[Score], clock: Clock, flow_run: str
    ) -> VerdictRecord:
        best = best_of(scores, self._lab.config.scorer.goal)
        one = self._comparisons.get(idea.number)
        ruling = self._rule_on(idea, runs, scores, best, one)
        point = idea.points[best]
        seconds = sum(score.seconds for score in scores) + (one.seconds if one is not None else 0.0)
        first = scores[0] if scores else Score(status="rejected")
        answered = [run.answer.number for run in runs if run.answer is not None]
        return VerdictRecord(
            at=utc_now(),
            number=idea.number,
            slug=idea.slug,
            branch=self._lab.branch(idea.name),
            campaign=idea.campaign,
            epoch=idea.epoch,
            strategy=idea.strategy,
            title=idea.title,
            hypothesis=idea.hypothesis,
            commit=self._commit(idea, best),
            tree=point.tree,
            parents=(idea.parent,),
            verdict=ruling.verdict,
            reason=ruling.reason[:_REASON],
            value=ruling.value,
            metrics=ruling.metrics,
            champion_value=ruling.champion_value,
            difference=ruling.difference,
            params=point.params,
            points=_points(idea, scores) if len(idea.points) > 1 else (),
            duplicate_of=answered[0] if len(answered) == len(idea.points) else None,
            seed=self._lab.config.decision.seed,
            digest=self._digest,
            sandbox=first.sandbox,
            guarantees=first.guarantees,
            seconds=seconds,
            orchestration_seconds=max(0.0, clock.iteration - seconds),
            campaign_seconds=clock.campaign,
            usd=idea.usd,
            flow_run=flow_run,
            comparison=ruling.comparison,
            drift=self._comparisons.drift,
            continues=idea.continues,
        )

    def _rule_on(
        self,
        idea: Idea,
        runs: Sequence[PointRun],
        scores: Sequence[Score],
        best: int,
        one: OpenComparison | None,
    ) -> _Ruling:
        if idea.fault is not None:
            return _Ruling(verdict=idea.fault.verdict, reason=idea.fault.reason)
        score, answer = scores[best], runs[best].answer
        origin = _origin(idea, answer.number) if answer is not None else ""
        if one is None:
            return _Ruling(verdict=_failure(score), reason=origin + score.reason)
        if one.failure is not None and not one.champion_failed:
            return _Ruling(verdict=_failure(one.failure), reason=origin + one.failure.reason)
        picked = f"best of {len(idea.points)} points is " if len(idea.points) > 1 else ""
        if one.champion_failed:
            metrics = dict(score.metrics)
            return _Ruling("inconclusive", origin + one.champion_failed, score.value, metrics)
        ruling = _ruled(self._comparisons.outlook(idea.number), score, origin + picked, self._metric)
        # Of the first run that counts: it is taken anew where the machine has changed since.
        first = one.scores.get(self._lab.config.decision.seed, {})
        return replace(ruling, metrics={**ruling.metrics, **first})

    @property
    def _metric(self) -> str:
        return self._lab.config.scorer.metric

    def _commit(self, idea: Idea, best: int) -> str:
        if best == 0:
            return idea.commit
        message = idea.message(self._lab.name)
        return self._lab.repository.commit(idea.points[best].tree, [idea.parent], message)

    def _champion(self) -> Champion:
        champion = self._lab.ledger.state().champion
        if champion is None:
            raise RepositoryError(f"The lab {self._lab.name} has no champion.", "Run `lab lock`.")
        return champion


def best_of(scores: Sequence[Score], goal: Goal) -> int:
    """Index of the best score; the first of equal ones, and 0 where none has a value."""
    sign = 1 if goal == "maximize" else -1
    values = [(sign * score.value, -index) for index, score in enumerate(scores) if score.value is not None]
    return -max(values)[1] if values else 0


def _ruled(outlook: Outlook, score: Score, before: str, metric: str) -> _Ruling:
    """What the rule's answer makes of an idea.

    Args:
        outlook: Settled.
        score: The first of the point that decides.
        before: What begins the reason.
        metric: The lab's.
    """
    decision, evidence = outlook.decision, outlook.evidence
    assert decision is not None and evidence is not None
    pairs = evidence.metrics[metric]
    tested = decision.statement.evidence is not None or decision.statement.repeats > 1
    difference = pairs.value - pairs.reference
    return _Ruling(
        verdict=WORDS[decision.state],
        reason=before + (decision.sentence if tested else decision.reason),
        value=pairs.value,
        metrics=dict(score.metrics),
        champion_value=pairs.reference,
        difference=difference if math.isfinite(difference) else None,
        comparison=outlook.record,
    )


def _origin(idea: Idea, twin: int) -> str:
    """Where the scores of an idea come from that the ledger answered for."""
    if idea.continues:
        return f"rerun of idea {idea.continues}; "
    return f"duplicate of {f'idea {twin}' if twin else 'the baseline'}, not run again; "


def _trial_of(runs: Sequence[PointRun], best: int) -> Path | None:
    """Folder of the trial that a verdict shows: its best point's, else the first that ran, if any."""
    ran = [run for run in (*runs[best : best + 1], *runs) if run.execution is not None]
    return ran[0].trial.folder if ran else None


def _failure(score: Score) -> Word:
    return "crashed" if score.status == "crashed" else "rejected"


def _points(idea: Idea, scores: Sequence[Score]) -> tuple[Point, ...]:
    points: list[Point] = []
    for planned, score in zip(idea.points, scores, strict=True):
        fields: dict[str, Any] = {"tree": planned.tree, "params": planned.params, "status": score.status}
        points.append(
            Point(
                **fields,
                value=score.value,
                reason=score.reason[:_REASON],
                seconds=score.seconds,
                metrics=dict(score.metrics),
            )
        )
    return tuple(points)
