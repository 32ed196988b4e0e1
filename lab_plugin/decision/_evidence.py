"""What a decision is made from: scores of candidate and champion, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lab_plugin.decision._chance import mean

Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Margin:
    """By how much a value must differ.

    Attributes:
        value: Finite, 0 or more.
        relative: It is a fraction of the champion's mean, not in the metric's units.
    """

    value: float = 0.0
    relative: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError("a margin is finite and 0 or more")

    def absolute(self, reference: float) -> float:
        """The margin in the metric's units, where the champion has the value `reference`."""
        return abs(reference) * self.value if self.relative else self.value


@dataclass(frozen=True)
class Pairs:
    """One metric of candidate and champion on the same seeds, in the order in which they were drawn.

    Attributes:
        candidate: Finite values.
        champion: As many.
    """

    candidate: tuple[float, ...]
    champion: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.candidate) != len(self.champion) or not self.candidate:
            raise ValueError("candidate and champion are compared on the same seeds, at least one")
        if not all(map(math.isfinite, self.candidate + self.champion)):
            raise ValueError("only finite values can be compared")

    @classmethod
    def of(cls, candidate: Mapping[int, float], champion: Mapping[int, float]) -> Pairs:
        """Pairs on the seeds that both have, in the candidate's order.

        Raises:
            ValueError: They have no seed in common, or a value is not finite.
        """
        seeds = [seed for seed in candidate if seed in champion]
        return cls(tuple(candidate[seed] for seed in seeds), tuple(champion[seed] for seed in seeds))

    def __len__(self) -> int:
        return len(self.candidate)

    def first(self, count: int) -> Pairs:
        """The first pairs."""
        return Pairs(self.candidate[:count], self.champion[:count])

    def differences(self) -> tuple[float, ...]:
        """Candidate minus champion; infinite where a float overflows."""
        return tuple(ours - theirs for ours, theirs in zip(self.candidate, self.champion, strict=True))

    def gains(self, goal: Goal) -> tuple[float, ...]:
        """Differences, turned so that more is better."""
        return self.differences() if goal == "maximize" else tuple(-value for value in self.differences())

    def excess(self, goal: Goal, margin: Margin, sign: int = 1) -> tuple[float, ...]:
        """Gains less the margin, pair by pair; with a `sign` of -1, gains with the margin added.

        A relative margin is taken of the champion's value in each pair, so that no pair hangs on later
        ones.
        """
        pairs = zip(self.gains(goal), self.champion, strict=True)
        return tuple(gain - sign * margin.absolute(theirs) for gain, theirs in pairs)

    @property
    def value(self) -> float:
        """The candidate's mean."""
        return mean(self.candidate)

    @property
    def reference(self) -> float:
        """The champion's mean."""
        return mean(self.champion)


def missing_seeds(candidate: Iterable[int], champion: Mapping[int, float]) -> list[int]:
    """Seeds on which the champion has no score yet: what its cache must be topped up by."""
    return [seed for seed in candidate if seed not in champion]


@dataclass(frozen=True)
class SamplePairs:
    """Per-sample scores of one scorecard of each.

    Attributes:
        differences: Candidate minus champion, for samples that both have; finite or infinite by
            overflow.
        lost: Samples that only the champion has: each counts as the largest loss there is.
        added: Samples that only the candidate has: they say nothing.
    """

    differences: tuple[float, ...]
    lost: int = 0
    added: int = 0

    @classmethod
    def of(cls, candidate: Mapping[str, float], champion: Mapping[str, float]) -> SamplePairs:
        """Pair samples by their ids.

        Raises:
            ValueError: A score is not finite.
        """
        if not all(map(math.isfinite, [*candidate.values(), *champion.values()])):
            raise ValueError("only finite scores can be compared")
        common = [name for name in champion if name in candidate]
        differences = tuple(candidate[name] - champion[name] for name in common)
        return cls(differences, len(champion) - len(common), len(candidate) - len(common))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known of one idea beside the champion of the moment.

    Attributes:
        metrics: Name -> pairs; the lab's metric, those of guards and of further objectives. All have the
            same number of repeats.
        samples: Per-sample scores in the metric's units and direction, of a deterministic scorer; None
            without.
        points: Points of the batch that this one was picked from by its first score; 1 for no batch.
        rivals: The first gains of the batch's other points, best first, in the metric's direction.
        simpler: Why the idea is simpler than the champion, `12 lines fewer`; "" when it is not.
        slack: Loss of the metric that was risked for simplicity since the last real improvement.
    """

    metrics: Mapping[str, Pairs]
    samples: SamplePairs | None = None
    points: int = 1
    rivals: tuple[float, ...] = field(default=(), repr=False)
    simpler: str = ""
    slack: float = 0.0

    def __post_init__(self) -> None:
        if len({len(pairs) for pairs in self.metrics.values()}) != 1:
            raise ValueError("all metrics of an idea have the same number of repeats, at least one")
        if self.points < 1 or not (math.isfinite(self.slack) and self.slack >= 0):
            raise ValueError("an idea is one of 1 or more points, and its slack is finite and 0 or more")

    @property
    def repeats(self) -> int:
        """Repeats so far."""
        return len(next(iter(self.metrics.values())))
