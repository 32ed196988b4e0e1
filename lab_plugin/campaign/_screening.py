"""One tier before the last: what an idea is worth there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab_plugin.campaign._ruling import best_of, failure_word, points_of
from lab_plugin.campaign._trials import PointRun, TrialDesk
from lab_plugin.comparison import (
    Repeats,
    RepeatStore,
    as_itself,
    comparison_record,
    noise_of,
    rules_of,
    tries_of,
)
from lab_plugin.config import USAGE_METRICS, Tier
from lab_plugin.decision import Evidence, Level, Pairs, comparison_seed, decide
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, Comparison, LockRecord, TierRecord, Word
from lab_plugin.promotion import Decided
from lab_plugin.scorer import Score
from lab_plugin.timestamps import utc_now


@dataclass(frozen=True)
class Screened:
    """What came of an idea at a tier.

    Attributes:
        tree: Of the point that was taken further.
        record: Its result; None where it has no value.
        failure: The score that it lacks for one, with the seconds of all its programs here; None otherwise.
        word: `crashed`, `rejected` or, where the champion failed beside it, `inconclusive`.
    """

    tree: str
    record: TierRecord | None = None
    failure: Score | None = None
    word: Word = "rejected"


@dataclass(frozen=True)
class _Compared:
    """What came of a comparison with the champion at a tier."""

    seconds: float = 0.0
    failure: Score | None = None
    word: Word = "rejected"
    passed: bool | None = None
    record: Comparison | None = None


class ScreeningDesk:
    """Screens ideas at one tier.

    Args:
        lab: The lab, as it is at this tier.
        tier: The tier.
        lock: The lock in force.
        trials: Runs the trials of this tier.
        budget: The campaign's bounds.
    """

    def __init__(
        self, lab: Lab, tier: Tier, lock: LockRecord, trials: TrialDesk, budget: Mapping[str, float]
    ) -> None:
        self.trials = trials
        self.tier = tier
        self._lab = lab
        self._lock = lock
        decision, scorer = tier.config.decision, tier.config.scorer
        self._metrics = decision.metrics(scorer.metric) if self._decides else (scorer.metric,)
        # What the host measures hangs on the moment.
        self._paired = scorer.metric in USAGE_METRICS
        self._rules = rules_of(decision, scorer.metric, scorer.goal, tries_of(decision, budget))
        self._store = RepeatStore(lab.folder / f"repeats-{tier.name}.jsonl", lock.digest)
        self._repeats = Repeats(trials.repeat, self._store, self._metrics)

    async def screen(
        self, idea: Idea, runs: Sequence[PointRun], scores: Sequence[Score], champion: Champion
    ) -> Screened:
        """Score an idea on the seeds of the tier; the best point of a batch by its first score.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again, and goes on.
        """
        best = best_of(scores, self._lab.config.scorer.goal)
        tree, ran = idea.points[best].tree, scores[best]
        seconds = sum(score.seconds for score in scores)

        def failed(score: Score, word: Word = "rejected") -> Screened:
            whole = replace(score, seconds=seconds, sandbox=ran.sandbox, guarantees=ran.guarantees)
            return Screened(tree, failure=whole, word=word)

        first = self._repeats.complete(scores[best])
        if first.value is None:
            return failed(first)
        known: dict[int, Mapping[str, float]] = {self.tier.seeds[0]: first.metrics}
        if runs[best].answer is not None:
            known |= self._of_twin(idea.points[best].tree)
        for seed in self.tier.seeds[1:]:
            if seed in known:
                continue
            score = await self._repeat(idea, best, seed)
            seconds += score.seconds
            if score.value is None:
                return failed(score, failure_word(score))
            known[seed] = score.metrics
        compared = _Compared()
        if self._decides:
            compared = await self._compare(idea, best, known, champion)
            seconds += compared.seconds
            if compared.failure is not None:
                return failed(compared.failure, compared.word)
        record = self._record(idea, runs, scores, best, known, seconds)
        said = {"passed": compared.passed, "comparison": compared.record}
        return Screened(tree, record.model_copy(update=said))

    @property
    def _decides(self) -> bool:
        return isinstance(self.tier.promote, Decided)

    def forget_all_but(self, trees: set[str]) -> None:
        """Forget further scores of all trees but these."""
        self._store.keep_only(trees)

    def _of_twin(self, tree: str) -> dict[int, Mapping[str, float]]:
        """What the ledger has of the same tree, on the tier's further seeds."""
        state = self._lab.ledger.state()
        found = state.results.find_tree(self._lock.epoch, self.tier.name, tree, state.moved)
        if found is None or self._decides:
            return {}
        pairs = zip(found.seeds, found.values, strict=True)
        return {seed: {self._metrics[0]: value} for seed, value in pairs if seed in self.tier.seeds[1:]}

    async def _repeat(self, idea: Idea, best: int, seed: int) -> Score:
        point = idea.points[best]
        return await self._repeats.score(idea.number, point.tree, point.params, seed, again=self._paired)

    async def _compare(
        self, idea: Idea, best: int, known: dict[int, Mapping[str, float]], champion: Champion
    ) -> _Compared:
        """Compare with the champion at this tier, seed by seed, until the rule has its answer.

        An idea that goes on wrongly costs time and no false keep: the error is that of one comparison, not
        of the campaign.
        """
        seconds = 0.0
        level = Level(1 - self._rules.confidence, 1 - self._rules.confidence)
        noises = {name: noise_of(noise) for name, noise in self._lock.tiers[self.tier.name].noise.items()}
        against: dict[int, Mapping[str, float]] = {}
        itself = idea.points[best].tree == self._lab.repository.tree_of(champion.commit)
        rules = as_itself(self._rules) if itself else self._rules
        while True:
            seed = list(known)[-1]
            theirs = await self._of_champion(champion, seed)
            seconds += theirs.seconds
            if theirs.value is None:
                reason = f"the champion has no score at the tier {self.tier.name}: {theirs.reason}"
                # Nothing in that speaks against the idea.
                return _Compared(seconds, Score(status="rejected", reason=reason), "inconclusive")
            against[seed] = theirs.metrics
            evidence = Evidence(metrics={name: self._pairs(name, known, against) for name in self._metrics})
            decision = decide(rules, noises, evidence, level)
            if decision.state != "continue":
                record = comparison_record(
                    decision,
                    champion=champion.number,
                    seeds=tuple(known),
                    evidence=evidence,
                    noises=noises,
                    level=level,
                    place=0,
                    rules=rules,
                )
                return _Compared(seconds, passed=decision.state == "keep", record=record)
            following = comparison_seed(self.tier.seeds[0], len(known))
            score = await self._repeat(idea, best, following)
            seconds += score.seconds
            if score.value is None:
                return _Compared(seconds, score, failure_word(score))
            known[following] = score.metrics

    async def _of_champion(self, champion: Champion, seed: int) -> Score:
        tree = self._lab.repository.tree_of(champion.commit)
        return await self._repeats.score(champion.number, tree, None, seed, again=self._paired)

    def _pairs(
        self, name: str, ours: Mapping[int, Mapping[str, float]], theirs: Mapping[int, Mapping[str, float]]
    ) -> Pairs:
        return Pairs(tuple(ours[seed][name] for seed in ours), tuple(theirs[seed][name] for seed in ours))

    def _record(
        self,
        idea: Idea,
        runs: Sequence[PointRun],
        scores: Sequence[Score],
        best: int,
        known: Mapping[int, Mapping[str, float]],
        seconds: float,
    ) -> TierRecord:
        point, answer = idea.points[best], runs[best].answer
        values = tuple(metrics[self._lab.config.scorer.metric] for metrics in known.values())
        return TierRecord(
            at=utc_now(),
            number=idea.number,
            slug=idea.slug,
            campaign=idea.campaign,
            epoch=idea.epoch,
            tier=self.tier.name,
            commit=idea.commit,
            tree=point.tree,
            params=point.params,
            points=points_of(idea, scores) if len(idea.points) > 1 else (),
            seeds=tuple(known),
            values=values,
            value=Pairs(values, values).value,
            metrics=dict(known[self.tier.seeds[0]]),
            duplicate_of=answer.number if answer is not None else None,
            digest=self._lock.digest,
            sandbox=scores[best].sandbox,
            guarantees=scores[best].guarantees,
            seconds=seconds,
        )
