"""From what the two programs did to a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lab_plugin.sandbox import Execution
from lab_plugin.scorer._scorecard import Scorecard, ScorecardFault, parse_scorecard
from lab_plugin.scorer._trial import SCORECARD, Score
from lab_plugin.scorer._usage import require_measured, usage_metrics
from lab_plugin.scorer.contracts._programs import Programs


class Scores:
    """Makes the scores of one contract.

    Args:
        programs: Of the lab.
        guarantees: What the contract holds.
    """

    def __init__(self, programs: Programs, guarantees: tuple[str, ...]) -> None:
        self._programs = programs
        self._guarantees = guarantees
        self._metric = programs.config.scorer.metric

    def unless_ok(self, execution: Execution) -> Score | None:
        """The score of a candidate that failed or left what cannot be taken; None when it did neither."""
        if execution.status != "ok":
            reason = f"candidate {execution.reason}{self._programs.tail(execution)}"
            return self.none("crashed", reason, execution)
        return self.refused(execution.refused, execution) if execution.refused else None

    def refused(self, faults: Mapping[str, str], execution: Execution) -> Score:
        """The score of outputs that break a rule."""
        told = "; ".join(f"{name}: {why}" for name, why in faults.items())
        return self.none("rejected", f"outputs refused: {told}", execution)

    def require_measured(self, execution: Execution) -> None:
        """See that the metric that decides was measured, if it is the host's to measure.

        Raises:
            SandboxError: The sandbox cannot measure it.
        """
        require_measured(self._metric, usage_metrics(execution), execution.sandbox)

    def of_scorecard(
        self, scoring: Execution, execution: Execution, seconds: float, usage: Mapping[str, float]
    ) -> Score:
        """What the scorer's own scorecard says.

        Args:
            scoring: The scorer's run.
            execution: The candidate's run, which ended well.
            seconds: Wall seconds of both.
            usage: Metrics that the host measured.
        """
        if scoring.status != "ok":
            reason = f"scorer {scoring.reason}{self._programs.tail(scoring)}"
            return self.none("crashed", reason, execution, seconds)
        if SCORECARD not in scoring.outputs:
            why = scoring.refused.get(SCORECARD, "missing")
            return self.none("rejected", f"the scorer's scorecard: {why}", execution, seconds)
        try:
            card = parse_scorecard(scoring.outputs[SCORECARD].read_bytes(), self._metric)
        except ScorecardFault as fault:
            return self.none("rejected", str(fault), execution, seconds)
        return self.of(card, execution, seconds, usage)

    def of(self, card: Scorecard, execution: Execution, seconds: float, usage: Mapping[str, float]) -> Score:
        """The score of a checked scorecard."""
        metrics = {**card.metrics, **usage}
        return Score(
            status="scored",
            value=metrics[self._metric],
            metrics=metrics,
            samples=card.samples,
            feedback=card.feedback,
            seconds=seconds,
            sandbox=execution.sandbox,
            guarantees=self._held(execution),
        )

    def none(
        self,
        status: Literal["crashed", "rejected"],
        reason: str,
        execution: Execution,
        seconds: float | None = None,
    ) -> Score:
        """No score, and why; it lasted as long as the candidate unless `seconds` says otherwise."""
        return Score(
            status=status,
            reason=reason,
            seconds=execution.wall_seconds if seconds is None else seconds,
            sandbox=execution.sandbox,
            guarantees=self._held(execution),
        )

    def _held(self, execution: Execution) -> tuple[str, ...]:
        return tuple(sorted({*execution.guarantees, *self._guarantees}))
