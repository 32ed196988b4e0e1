"""A campaign in virtual time: real schedule, real promotion, and results from a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lab_plugin.promotion import Goal
from lab_plugin.scheduling import Schedule, Stage, Visit
from lab_plugin.simulation._engine import Trial


class Result(NamedTuple):
    """What comes of an idea at a tier.

    Attributes:
        seconds: Of candidate and scorer.
        value: The metric; None for a crash.
        quality: The metric as it would be without noise, as far as the source knows it; None for a crash.
    """

    seconds: float
    value: float | None
    quality: float | None


class Source(Protocol):
    """Where ideas and their results come from. The same calls in the same order give the same answers."""

    def propose(self, number: int) -> bool:
        """Make an idea; False when there are no more."""

    def result(self, number: int, tier: str) -> Result:
        """What comes of an idea that was made. Asked once for each tier that it comes to."""

    def screened(self, number: int, tier: str, value: float) -> None:
        """An idea has a value at a tier before the last."""

    def tell(self, number: int, value: float | None, verdict: str) -> None:
        """An idea has its verdict; no value is told of one that crashed or was not promoted."""


class Best(NamedTuple):
    """A new best idea.

    Attributes:
        seconds: Virtual time of its verdict.
        number: The idea's.
        quality: Its metric without noise.
    """

    seconds: float
    number: int
    quality: float


class VirtualCampaign:
    """The work of one campaign, for `run`.

    The decision rule of the last tier is taken to see through the noise: an idea is kept when its quality is
    better than the champion's. What the rule's repeats cost is in the seconds of the ledger's ideas. At a
    tier that promotes by the decision rule, an idea passes when its value is the best so far there.

    Args:
        stages: The tiers, the cheapest first.
        source: Of ideas and results.
        ideas: How many ideas are made at most.
        start: Value of the champion at the start; None for none.
    """

    def __init__(
        self, stages: Sequence[Stage], source: Source, ideas: int, start: float | None = None
    ) -> None:
        self.best: list[Best] = []
        self.made = 0
        self._source = source
        self._ideas = ideas
        self._stages = {stage.name: stage for stage in stages}
        self._schedule = Schedule(stages)
        self._results: dict[int, Result] = {}
        self._records: dict[str, float] = {} if start is None else {stages[-1].name: start}

    def take(self) -> Trial | None:
        """The next trial: an idea on its way, or else a new one."""
        visit = self._schedule.take()
        if visit is None and self._make():
            visit = self._schedule.take()
        return None if visit is None else self._visit(visit)

    def over(self, trial: Trial, now: float) -> Trial | None:
        """Take in the result of a trial."""
        result = self._results.pop(trial.number)
        goes_on = False
        if result.value is None or result.quality is None:
            self._decide(trial.number, None, "crashed")
        elif self._schedule.screens(trial.number):
            passed = self._breaks_record(trial.tier, result.value)
            goes_on = self._schedule.result(trial.number, result.value, passed)
            self._source.screened(trial.number, trial.tier, result.value)
        else:
            self._judge(trial, result.value, result.quality, now)
        self._drop()
        if not goes_on:
            return None
        return self._visit(Visit(trial.number, self._schedule.tier_of(trial.number)))

    def settle(self) -> bool:
        """Let the rules have their last word while ideas wait."""
        if not self._schedule.waiting():
            return False
        self._schedule.finish()
        self._drop()
        return True

    def _make(self) -> bool:
        if self.made >= self._ideas or not self._source.propose(self.made + 1):
            self._ideas = self.made
            return False
        self.made += 1
        self._schedule.offer(self.made)
        return True

    def _visit(self, visit: Visit) -> Trial:
        result = self._source.result(visit.number, visit.tier)
        self._results[visit.number] = result
        return Trial(visit.number, visit.tier, result.seconds)

    def _judge(self, trial: Trial, value: float, quality: float, now: float) -> None:
        kept = self._breaks_record(trial.tier, quality)
        if kept:
            self.best.append(Best(now, trial.number, quality))
        self._decide(trial.number, value, "kept" if kept else "reverted")

    def _drop(self) -> None:
        for number, _ in self._schedule.dropped():
            self._decide(number, None, "reverted")

    def _decide(self, number: int, value: float | None, word: str) -> None:
        self._schedule.decided(number, word)
        self._source.tell(number, value, word)

    def _breaks_record(self, tier: str, value: float) -> bool:
        """Whether a value is the best so far at its tier, which stands for the decision rule."""
        before = self._records.get(tier)
        if before is None or better(self._stages[tier].goal, value, before):
            self._records[tier] = value
            return True
        return False


def better(goal: Goal, value: float, than: float) -> bool:
    """Whether a value is better than another."""
    return value > than if goal == "maximize" else value < than
