"""A verdict as the ledger keeps it, put together from what was decided and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab_plugin.campaign._ruling import REASON, Ruling, best_of, points_of, pruned_of
from lab_plugin.campaign._trials import PointRun
from lab_plugin.comparison import ComparisonDesk
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import TierRecord, VerdictRecord
from lab_plugin.scorer import Score
from lab_plugin.timestamps import utc_now


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Times that a verdict carries, in seconds.

    Attributes:
        iteration: From the start of the proposal to the verdict, without programs of tiers before the last.
        campaign: Active time of the campaign.
        tier: Where the idea is decided.
    """

    iteration: float
    campaign: float
    tier: str


class RecordDesk:
    """Puts verdicts together.

    Args:
        lab: The lab.
        digest: The lock's digest.
        comparisons: Knows what each idea was decided by.
    """

    def __init__(self, lab: Lab, digest: str, comparisons: ComparisonDesk) -> None:
        self._lab = lab
        self._digest = digest
        self._comparisons = comparisons

    def record(
        self,
        idea: Idea,
        ruling: Ruling,
        runs: Sequence[PointRun],
        scores: Sequence[Score],
        clock: Clock,
        flow_run: str,
    ) -> VerdictRecord:
        """The verdict of an idea, with all that the ledger keeps of it.

        Args:
            idea: The idea.
            ruling: What was decided.
            runs: Of its points; empty where it is compared with nothing.
            scores: Of its points.
            clock: Times.
            flow_run: Of its iteration.
        """
        best = best_of(scores, self._lab.config.scorer.goal)
        one = self._comparisons.get(idea.number)
        point = idea.points[best]
        here = sum(score.seconds for score in scores) + (one.seconds if one is not None else 0.0)
        passed = self._results_of(idea)
        last = passed[-1] if passed else None
        sandbox, guarantees = (last.sandbox, last.guarantees) if last else ("", ())
        if scores:
            sandbox, guarantees = scores[0].sandbox, scores[0].guarantees
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
            tier=clock.tier,
            tiers={result.tier: result.value for result in passed},
            parents=(idea.parent,),
            verdict=ruling.verdict,
            reason=ruling.reason[:REASON],
            value=ruling.value,
            metrics=ruling.metrics,
            champion_value=ruling.champion_value,
            difference=ruling.difference,
            params=point.params,
            points=points_of(idea, scores) if len(idea.points) > 1 and scores else (),
            details=last.details if last is not None and not scores else "",
            duplicate_of=answered[0] if len(answered) == len(idea.points) else None,
            seed=self._lab.config.decision.seed,
            digest=self._digest,
            sandbox=sandbox,
            guarantees=guarantees,
            seconds=here + sum(result.seconds for result in passed),
            orchestration_seconds=max(0.0, clock.iteration - here),
            campaign_seconds=clock.campaign,
            usd=idea.usd,
            flow_run=flow_run,
            comparison=ruling.comparison,
            drift=self._comparisons.drift,
            continues=idea.continues,
            pruned=pruned_of(scores[best]) if scores else None,
        )

    def _results_of(self, idea: Idea) -> list[TierRecord]:
        """Its results at the tiers before the last."""
        state = self._lab.ledger.state()
        found = (state.result(idea.number, tier.name) for tier in self._lab.config.screening)
        return [result for result in found if result is not None]

    def _commit(self, idea: Idea, best: int) -> str:
        if best == 0:
            return idea.commit
        message = idea.message(self._lab.name)
        return self._lab.repository.commit(idea.points[best].tree, [idea.parent], message)
