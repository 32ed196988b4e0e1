"""What earlier verdicts leave for later ones, folded from the ledger: the champion's scores, the noise, and
the error that is spent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab_plugin import decision as deciding
from lab_plugin.comparison._rules import noise_of
from lab_plugin.decision import ErrorBudget, Pairs, Spent
from lab_plugin.ledger import Comparison, Drift, LockRecord, VerdictRecord

Scores = dict[int, dict[str, float]]
"""Seed -> metric -> value."""


class History:
    """One epoch as its comparisons see it. Scores and noise are the epoch's, the error is a campaign's.

    Args:
        lock: The lock in force.
        metrics: All that a decision looks at, the lab's first.
        error: That a campaign may spend.
        tries: Ideas that the campaign is laid out for.
        campaign: Its number.

    Attributes:
        champion: Number of the champion's idea; 0 for the baseline.
        scores: The champion's, as far as they may be compared.
        noises: Metric -> noise.
        slack: What was risked for simplicity since the last real improvement.
        since_look: Verdicts since the champion was last scored again.
        looks: How often the champion was looked at since it became champion or moved.
    """

    def __init__(
        self, lock: LockRecord, metrics: tuple[str, ...], error: float, tries: int, campaign: int
    ) -> None:
        self._metrics = metrics
        self._campaign = campaign
        self._epoch = lock.epoch
        self._budget = ErrorBudget(error, tries)
        self._places: set[int] = set()
        self._held: dict[int, float] = {}
        self.champion = lock.champion
        self.scores: Scores = {lock.seed: self._relevant(lock.metrics)}
        self.noises: dict[str, deciding.Noise] = {
            name: noise_of(lock.noise[name]) for name in metrics if name in lock.noise
        }
        self.slack = 0.0
        self.since_look = 0
        self.looks = 0

    @property
    def spent(self) -> float:
        """Error that the campaign has spent, that of ideas under way included."""
        return self._budget.spent

    def take_place(self) -> tuple[int, float]:
        """The first place in the campaign that no idea has had, and its share of the error; taken now."""
        place = next(number for number in range(1, len(self._places) + 2) if number not in self._places)
        base = self._budget.level(place).base
        self._places.add(place)
        # What is under way may be spent, whatever is given to others meanwhile.
        self._held[place] = base
        self._budget.add(Spent(base, False))
        return place, base

    def leave_place(self, place: int) -> None:
        """Give back the place of an idea that was never compared."""
        self._places.discard(place)
        self._budget.add(Spent(-self._held.pop(place, 0.0), False))

    def raise_level(self, base: float) -> float:
        """What a share is worth after the keeps so far."""
        return min(1.0, base * (self._budget.keeps + 1))

    def extend(self, records: Iterable[VerdictRecord]) -> None:
        """Take further verdicts in, in the order of the ledger."""
        for record in records:
            self.add(record)

    def add(self, record: VerdictRecord, *, looked: bool = False) -> None:
        """Take one more verdict in.

        Args:
            record: It.
            looked: Its look at the champion is known already.
        """
        if record.epoch == self._epoch:
            self._see(record, looked)
        comparison = record.comparison
        if record.campaign == self._campaign and comparison is not None:
            if comparison.place:
                self._places.add(comparison.place)
            # What was given before is spent, also where a test took nothing of it.
            spent = comparison.level if comparison.place and comparison.evidence is not None else 0.0
            held = self._held.pop(comparison.place, 0.0)
            self._budget.add(Spent(spent - held, comparison.controlled))

    def know(self, scores: Scores, seed: int, metrics: Mapping[str, float]) -> None:
        """Add a score of the champion to scores; the first on a seed stays."""
        scores.setdefault(seed, self._relevant(metrics))

    def look(self, drift: Drift | None) -> None:
        """Take in a look at the champion; None for one that showed nothing."""
        self.since_look = 0
        if drift is None or drift.champion != self.champion:
            return
        self.noises.update({name: noise_of(noise) for name, noise in drift.found.items()})
        if drift.moved:
            self.scores, self.looks = {drift.seed: self._relevant(drift.after)}, 0
        else:
            self.looks += 1

    def _see(self, record: VerdictRecord, looked: bool) -> None:
        if record.drift is not None:
            self.since_look = 0
            if not looked:
                self.look(record.drift)
        self.since_look += 1
        comparison = record.comparison
        if comparison is None:
            if record.verdict == "kept":
                self._crown(record.number, {record.seed: self._relevant(record.metrics)})
            return
        self.noises.update({name: noise_of(noise) for name, noise in comparison.found.items()})
        # What was compared with itself says nothing of noise, nor of the champion as it is now.
        if comparison.candidate != comparison.against:
            self._learn(comparison)
        if comparison.champion == self.champion and comparison.candidate != comparison.against:
            for seed, metrics in by_seed(comparison.seeds, comparison.against).items():
                self.know(self.scores, seed, metrics)
        if record.verdict == "kept":
            self._crown(record.number, by_seed(comparison.seeds, comparison.candidate))
            self.slack = 0.0 if comparison.risked is None else self.slack + comparison.risked

    def _learn(self, comparison: Comparison) -> None:
        for name in self._metrics:
            if name in self.noises and name in comparison.candidate:
                pairs = Pairs(comparison.candidate[name], comparison.against[name])
                self.noises[name] = self.noises[name].learn(pairs.differences())

    def _crown(self, number: int, scores: Scores) -> None:
        self.champion, self.scores, self.looks = number, scores, 0

    def _relevant(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {name: metrics[name] for name in self._metrics if name in metrics}


def by_seed(seeds: Iterable[int], values: Mapping[str, tuple[float, ...]]) -> Scores:
    """Scores of a comparison, seed by seed; a forged record may lack some."""
    return {
        seed: {name: numbers[index] for name, numbers in values.items() if index < len(numbers)}
        for index, seed in enumerate(seeds)
    }
