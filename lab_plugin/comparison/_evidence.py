"""The evidence for an idea: its scores beside the champion's, and what else the rule asks of it."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.comparison._history import Scores
from lab_plugin.comparison._open import OpenComparison
from lab_plugin.comparison._samples import pair_samples, samples_of
from lab_plugin.comparison._simpler import cheaper, fewer_lines
from lab_plugin.config import LINES
from lab_plugin.decision import Evidence, Pairs, SamplePairs
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, LockRecord
from lab_plugin.scorer import Sample


class EvidenceMaker:
    """Makes evidence.

    Args:
        lab: The lab.
        lock: The lock in force.
        metrics: All that a decision looks at, the lab's first.
    """

    def __init__(self, lab: Lab, lock: LockRecord, metrics: tuple[str, ...]) -> None:
        self._lab = lab
        self._lock = lock
        self._metrics = metrics
        self._samples_of: tuple[int, tuple[Sample, ...]] | None = None

    def of(self, one: OpenComparison, champion: Champion, known: Scores, slack: float) -> Evidence:
        """The evidence of an idea.

        Args:
            one: Its comparison.
            champion: It is compared with.
            known: The champion's scores, on all seeds of the idea.
            slack: What was risked for simplicity so far.
        """
        seeds = one.seeds()
        metrics = {
            name: Pairs(
                tuple(one.scores[seed][name] for seed in seeds), tuple(known[seed][name] for seed in seeds)
            )
            for name in self._metrics
        }
        against = metrics[self._metrics[0]].champion[0]
        sign = 1 if self._lab.config.scorer.goal == "maximize" else -1
        return Evidence(
            metrics=metrics,
            samples=self._samples(one, champion),
            points=one.points,
            rivals=tuple(sorted((sign * (value - against) for value in one.others), reverse=True)),
            simpler=self._simpler(one, champion, metrics),
            slack=slack,
        )

    def _simpler(self, one: OpenComparison, champion: Champion, metrics: Mapping[str, Pairs]) -> str:
        rule = self._lab.config.decision.simplicity
        if rule is None:
            return ""
        if LINES in rule.by and (lines := fewer_lines(self._lab.repository, champion.commit, one.tree)):
            return lines
        ours = {name: pairs.candidate for name, pairs in metrics.items()}
        return cheaper(rule.by, ours, {name: pairs.champion for name, pairs in metrics.items()})

    def _samples(self, one: OpenComparison, champion: Champion) -> SamplePairs | None:
        if not one.samples:
            return None
        if self._samples_of is None or self._samples_of[0] != champion.number:
            ideas = self._lab.ledger.state().ideas
            kept = champion.number != self._lock.champion
            record = ideas[champion.number] if kept else self._lock
            self._samples_of = (champion.number, samples_of(self._lab, record))
        return pair_samples(self._lab.config, one.samples, self._samples_of[1])
