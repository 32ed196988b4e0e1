"""A comparison that was tested, and what its verdict states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lab_plugin.decision._decision import Decision
from lab_plugin.decision._evidence import Evidence, Pairs, SamplePairs
from lab_plugin.decision._interval import Interval, confidence_interval
from lab_plugin.decision._levels import NOISE_SHARE, Level
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._process import Bets, open_bets
from lab_plugin.decision._rules import Rules
from lab_plugin.decision._samples import SampleBets
from lab_plugin.decision._statement import State, Statement, finite_ends, mean_difference, turned
from lab_plugin.decision._walk import Walk, walk
from lab_plugin.decision._winner import picked_estimate, stopped_estimate


@dataclass(frozen=True)
class Tested:
    """The outcome of a test of one metric, before guards and other rules.

    Attributes:
        better: Shown to be better by more than the margin, and so is the mean: a test of signs alone
            would keep what is a little better often and far worse now and then.
        hopeless: Given up.
        ahead: The mean is better by more than the margin.
        evidence: Logarithm.
        statement: The figures; without an interval and a corrected difference.
        interval: Makes the confidence sequence, which costs more than all the rest.
        corrected: Makes the corrected difference, for a keep.
    """

    better: bool
    hopeless: bool
    ahead: bool
    evidence: float
    statement: Statement
    interval: Callable[[], Interval]
    corrected: Callable[[], float | None]

    def decide(self, state: State, reason: str) -> Decision:
        """The decision with this test's figures."""
        kept, statement = state == "keep", self.statement
        if state != "continue":
            low, high = finite_ends(self.interval())
            statement = replace(statement, low=low, high=high, corrected=self.corrected() if kept else None)
        return Decision(state=state, reason=reason, statement=statement, controlled=kept)

    def bare(self) -> Tested:
        """The same without the figures that decide nothing."""
        return replace(self, interval=lambda: Interval(-math.inf, math.inf), corrected=lambda: None)

    def loss(self, effect: float) -> str:
        """Why it was given up."""
        if self.ahead:
            return f"hardly better: an improvement worth {effect:g} sd would look otherwise"
        return "not better"


def test_metric(rules: Rules, noise: Noise, evidence: Evidence, level: Level) -> Tested:
    """Test the pairs of the lab's metric.

    Args:
        rules: `[decision]`.
        noise: Not deterministic.
        evidence: The pairs.
        level: What the idea may spend.
    """
    pairs = evidence.metrics[rules.metric]
    bets = open_bets(noise, rules.error * NOISE_SHARE)
    excess = pairs.excess(rules.goal, rules.min_improvement)
    skip = 1 if evidence.points > 1 else 0
    way = walk(excess, bets, level.needed, effect=rules.detect, spread=noise.expected_sd, skip=skip)
    used = pairs.first(len(pairs) if way.state == "better" else way.repeats)
    # What an idea was picked by is no evidence, unless there is nothing else to show.
    fresh = used.differences()[skip:] or used.differences()
    ahead = _mean(excess[skip : len(used)]) > 0
    return Tested(
        better=way.state == "better" and ahead,
        hopeless=way.state == "hopeless",
        ahead=ahead,
        evidence=way.log_evidence,
        statement=_state(used, rules.confidence, way.log_evidence, level),
        interval=partial(confidence_interval, bets, fresh, 1 - rules.confidence),
        corrected=partial(_corrected, rules, noise, evidence, bets, way, skip),
    )


def test_samples(rules: Rules, samples: SamplePairs, evidence: Evidence, level: Level) -> Tested:
    """Test the samples of one scorecard pair; the best of a batch by what is left after sharing its
    evidence.

    A batch's points share one set of samples, so that no sample is fresh after the pick: the evidence is
    divided by the number of points (the mean of their evidence is fair, and no less).
    """
    gain = 1 if rules.goal == "maximize" else -1
    bets = SampleBets(samples, gain)
    pairs = evidence.metrics[rules.metric].first(1)
    margin = rules.min_improvement.absolute(pairs.reference)
    log_evidence = bets.log_evidence(margin) - math.log(evidence.points)
    interval = bets.interval(1 - rules.confidence)
    statement = _state(pairs, rules.confidence, log_evidence, level)
    return Tested(
        better=log_evidence >= level.needed,
        hopeless=bets.mean <= margin,
        ahead=bets.mean > margin,
        evidence=log_evidence,
        statement=replace(statement, samples=bets.count),
        interval=lambda: interval if gain == 1 else Interval(-interval.high, -interval.low),
        corrected=lambda: None,
    )


def _state(pairs: Pairs, confidence: float, evidence: float, level: Level) -> Statement:
    return Statement(
        difference=mean_difference(pairs),
        confidence=confidence,
        repeats=len(pairs),
        evidence=evidence,
        needed=level.least if math.isfinite(level.least) else None,
        error_spent=level.base,
    )


def _corrected(
    rules: Rules, noise: Noise, evidence: Evidence, bets: Bets, way: Walk, skip: int
) -> float | None:
    """The difference less what stopping, and picking from a batch, add to it."""
    pairs = evidence.metrics[rules.metric].first(way.repeats)
    excess, gains = pairs.excess(rules.goal, rules.min_improvement), pairs.gains(rules.goal)
    if len(gains) <= skip or not all(map(math.isfinite, gains)):
        return None
    margin = _mean([gain - over for gain, over in zip(gains[skip:], excess[skip:], strict=True)])
    later = stopped_estimate(excess[skip:], bets, noise.expected_sd, way.fits) + margin
    if skip and evidence.rivals:
        count = len(gains) - skip
        later = picked_estimate(gains[0], later, count, max(evidence.rivals), noise.expected_sd)
    return turned(later, rules.goal) if math.isfinite(later) else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(value / len(values) for value in values) if values else 0.0
