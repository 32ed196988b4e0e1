"""Comparisons of a campaign: who still needs repeats, and what the rule says of whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab_plugin.comparison._evidence import EvidenceMaker
from lab_plugin.comparison._history import History, Scores, by_seed
from lab_plugin.comparison._looks import look_again
from lab_plugin.comparison._open import OpenComparison, Outlook
from lab_plugin.comparison._record import comparison_record
from lab_plugin.comparison._repeats import Repeats, RunRepeat
from lab_plugin.comparison._rules import as_itself, rules_of, tries_of
from lab_plugin.comparison._samples import samples_of
from lab_plugin.comparison._store import RepeatStore
from lab_plugin.config import USAGE_METRICS
from lab_plugin.decision import Level, Rules, comparison_seed, decide
from lab_plugin.errors import RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, Drift, LockRecord, OpenCampaign, VerdictRecord
from lab_plugin.scorer import Score

_CHAMPION_FAILURES = 3


class ComparisonDesk:
    """Compares ideas with the champion of the moment, repeat by repeat.

    Args:
        lab: The lab.
        lock: The lock in force.
        view: The campaign.
        run: Runs one repeat.

    Attributes:
        drift: A look at the champion that no verdict tells of yet.
    """

    def __init__(self, lab: Lab, lock: LockRecord, view: OpenCampaign, run: RunRepeat) -> None:
        self._lab = lab
        decision, scorer = lab.config.decision, lab.config.scorer
        self._seed = decision.seed
        # What the host measures hangs on the moment: the champion is run beside each idea.
        self._paired = scorer.metric in USAGE_METRICS
        tries = tries_of(decision, view.budget)
        metrics = decision.metrics(scorer.metric)
        self._rules = rules_of(decision, scorer.metric, scorer.goal, tries)
        self._history = History(lock, metrics, self._rules.error, tries, view.number)
        self._history.extend(lab.ledger.state().ideas.values())
        self._store = RepeatStore(lab.folder / "repeats.jsonl", lock.digest)
        self._repeats = Repeats(run, self._store, metrics)
        self._evidence = EvidenceMaker(lab, lock, metrics)
        self._open: dict[int, OpenComparison] = {}
        self._looking = asyncio.Lock()
        self.drift: Drift | None = None
        self._settled = lab.ledger.state().champion

    def begin(
        self, number: int, tree: str, params: Mapping[str, Any], scores: Sequence[Score], best: int
    ) -> None:
        """Open an idea's comparison with the first scores of its points; nothing when it has no value.

        Args:
            number: The idea's.
            tree: Of the point that decides.
            params: Its parameters.
            scores: Of all points.
            best: Index of the one that decides.
        """
        if number in self._open or scores[best].value is None:
            return
        score = self._repeats.complete(scores[best])
        others = [other.value for index, other in enumerate(scores) if index != best]
        one = self._opened(number, tree, params, self._rules.max_repeats)
        one.scores = {} if score.value is None else {self._seed: dict(score.metrics)}
        one.failure = score if score.value is None else None
        one.samples = score.samples
        one.points = len(scores)
        one.others = tuple(value for value in others if value is not None)

    def resume(self, number: int, earlier: VerdictRecord, max_repeats: int = 0) -> None:
        """Open a comparison with the scores that an earlier idea of the same tree has.

        Args:
            number: The idea's.
            earlier: Verdict of the idea whose comparison goes on; it has one.
            max_repeats: In place of the lab's, for a rerun, which goes on at the level that the earlier idea
                had; 0 for an idea that is compared anew, at a level of its own.
        """
        found = earlier.comparison
        if number in self._open or found is None:
            return
        level = found.level if max_repeats else None
        repeats = max_repeats or self._rules.max_repeats
        one = self._opened(number, earlier.tree, earlier.params, repeats, level)
        one.scores = by_seed(found.seeds, found.candidate)
        twin = self._lab.ledger.state().ideas.get(earlier.duplicate_of or 0)
        one.samples = samples_of(self._lab, twin if twin is not None and not earlier.details else earlier)
        one.points = found.points

    def get(self, number: int) -> OpenComparison | None:
        """An idea's comparison, if it has one."""
        return self._open.get(number)

    def unclear(self, number: int) -> bool:
        """Whether `compare` has something to run before an idea can be decided."""
        one = self._open.get(number)
        if one is None or one.failure is not None:
            return False
        return self._look_is_due() or not self.outlook(number).settled

    async def compare(self, number: int, spent: Callable[[], str]) -> None:
        """Run repeats of an idea, and of the champion where it lacks them, until the rule has its answer.

        Args:
            number: The idea's.
            spent: Why no further repeat may be run, asked before each; "" while they may. What is unclear
                then is inconclusive.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again, and goes on.
        """
        one = self._open[number]
        await self._look(one)
        while one.failure is None and not (outlook := self.outlook(number)).settled:
            if outlook.missing:
                await self._top_up(one, outlook.missing[0])
            elif one.scores and (cut := spent()):
                one.cut = cut
            else:
                await self._repeat(one)

    def outlook(self, number: int) -> Outlook:
        """How an idea stands against the champion of the moment; nothing is run.

        Raises:
            RepositoryError: The champion is another than the campaign's.
        """
        one, champion = self._open[number], self._champion()
        known, seeds = self._known(one, champion), one.seeds()
        if not seeds:
            return Outlook(champion.number)
        if missing := tuple(seed for seed in seeds if seed not in known):
            return Outlook(champion.number, missing=missing)
        rules = self._rules_for(one, champion)
        evidence = self._evidence.of(one, champion, known, self._history.slack)
        level = Level(one.base, self._history.raise_level(one.base))
        decision = decide(rules, self._history.noises, evidence, level)
        if one.cut and decision.state == "inconclusive":
            decision = replace(decision, reason=f"{decision.reason}, {one.cut}")
        record = comparison_record(
            decision,
            champion=champion.number,
            seeds=seeds,
            evidence=evidence,
            noises=self._history.noises,
            level=level,
            place=one.place,
            rules=rules,
        )
        return Outlook(champion.number, decision, evidence=evidence, record=record)

    def settle(self, record: VerdictRecord) -> None:
        """Take in a verdict that the ledger has."""
        one = self._open.pop(record.number, None)
        if one is not None and one.place and record.comparison is None:
            self._history.leave_place(one.place)
        own = record.drift is not None and record.drift == self.drift
        self._history.add(record, looked=own)
        if own:
            self.drift = None

    def forget_all_but(self, trees: set[str]) -> None:
        """Forget repeats of all trees but these, which are open, and the champion's."""
        champion = self._lab.ledger.state().champion
        assert champion is not None
        self._store.keep_only({*trees, self._tree_of(champion)})

    def _opened(
        self, number: int, tree: str, params: Mapping[str, Any], max_repeats: int, rerun: float | None = None
    ) -> OpenComparison:
        place, base = (0, rerun) if rerun is not None else self._history.take_place()
        one = OpenComparison(number, tree, params, place, base, max_repeats)
        self._open[number] = one
        return one

    async def _repeat(self, one: OpenComparison) -> None:
        seed = self._next_seed(one)
        score = await self._repeats.score(one.number, one.tree, one.params, seed)
        one.seconds += score.seconds
        if score.value is None:
            reason = f"repeat {len(one.scores) + 1}, seed {seed}: {score.reason}"
            one.failure = replace(score, reason=reason)
        else:
            one.scores[seed] = dict(score.metrics)

    def _next_seed(self, one: OpenComparison) -> int:
        """Behind all seeds so far; what an earlier idea skipped is not among its scores, and stays out."""
        repeat = len(one.scores)
        while (seed := comparison_seed(self._seed, repeat)) in one.scores:
            repeat += 1
        return seed

    async def _top_up(self, one: OpenComparison, seed: int) -> None:
        """Score the champion where the idea has a score and it has none."""
        champion = self._champion()
        tree = self._tree_of(champion)
        score = await self._repeats.score(champion.number, tree, None, seed, again=self._paired)
        one.seconds += score.seconds
        if score.value is not None:
            if champion.number == self._history.champion:
                self._history.know(self._known(one, champion), seed, score.metrics)
            return
        one.skipped.add(seed)
        if len(one.skipped) >= _CHAMPION_FAILURES or not one.seeds():
            one.champion_failed = f"the champion has no score on seed {seed}: {score.reason}"
            one.failure = Score(status="rejected", reason=one.champion_failed)

    def _known(self, one: OpenComparison, champion: Champion) -> Scores:
        """The champion's scores that an idea is compared with."""
        if one.tree == self._tree_of(champion):
            # It is equal to itself, also where the machine has changed since.
            return one.scores
        if not self._paired:
            return self._history.scores
        if one.beside_champion != champion.number:
            one.beside, one.beside_champion = {}, champion.number
        return one.beside

    def _look_is_due(self) -> bool:
        # What is paired anew each time sees no drift.
        every = 0 if self._paired else self._lab.config.decision.drift_every
        return bool(every) and self.drift is None and self._history.since_look >= every

    async def _look(self, one: OpenComparison) -> None:
        async with self._looking:
            if not self._look_is_due():
                return
            champion = self._champion()
            drift, seconds = await look_again(
                self._repeats, self._history, champion.number, self._tree_of(champion), self._rules.metric
            )
            one.seconds += seconds
            self._history.look(drift)
            if drift is not None and drift.champion == self._history.champion:
                self.drift = drift
                if drift.moved:
                    self._start_over(champion)

    def _start_over(self, champion: Champion) -> None:
        """Forget the scores of all that is compared now: nobody knows which of them the old machine gave."""
        for tree in (self._tree_of(champion), *(one.tree for one in self._open.values())):
            self._store.forget(tree)
        for one in self._open.values():
            one.scores.clear()
            one.skipped.clear()

    def _rules_for(self, one: OpenComparison, champion: Champion) -> Rules:
        if one.tree == self._tree_of(champion):
            return as_itself(self._rules)
        return replace(self._rules, max_repeats=len(one.seeds()) if one.cut else one.max_repeats)

    def _champion(self) -> Champion:
        """The champion by all verdicts that are settled."""
        champion = self._lab.ledger.state().champion
        if champion is not None and champion.number == self._history.champion:
            self._settled = champion
        elif champion is None or champion.number not in self._open or self._settled is None:
            raise RepositoryError(
                f"The lab {self._lab.name} has another champion than its campaign.", "Run `lab run` again."
            )
        # The ledger may have a keep that is not settled yet: what it changes comes with that.
        return self._settled

    def _tree_of(self, champion: Champion) -> str:
        return self._lab.repository.tree_of(champion.commit)
