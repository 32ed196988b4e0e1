"""A comparison as the ledger keeps it, and the decision that it leads to, made again."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lab_plugin.comparison._rules import noise_of, noise_record
from lab_plugin.decision import Decision, Evidence, Level, Noise, Pairs, Rules, SamplePairs, decide
from lab_plugin.ledger import Comparison, Word

WORDS: dict[str, Word] = {"keep": "kept", "revert": "reverted", "inconclusive": "inconclusive"}
"""State of a settled decision -> verdict."""


def comparison_record(
    decision: Decision,
    *,
    champion: int,
    seeds: tuple[int, ...],
    evidence: Evidence,
    noises: Mapping[str, Noise],
    level: Level,
    place: int,
    rules: Rules,
) -> Comparison:
    """What a verdict keeps of its comparison.

    Args:
        decision: What came of it.
        champion: Number of the champion's idea.
        seeds: Of the pairs, in their order.
        evidence: That it was made from.
        noises: Likewise.
        level: Likewise.
        place: In the campaign; 0 for a rerun.
        rules: Likewise.
    """
    shown, kept = decision.statement, decision.state == "keep"
    return Comparison(
        champion=champion,
        seeds=seeds,
        candidate={name: pairs.candidate for name, pairs in evidence.metrics.items()},
        against={name: pairs.champion for name, pairs in evidence.metrics.items()},
        noise={name: noise_record(noise) for name, noise in noises.items()},
        found={name: noise_record(noise) for name, noise in decision.found.items()},
        place=place,
        tries=rules.tries,
        level=level.base,
        raised=level.raised,
        max_repeats=rules.max_repeats,
        points=evidence.points,
        rivals=tuple(gain for gain in evidence.rivals if math.isfinite(gain)),
        simpler=evidence.simpler,
        slack=evidence.slack,
        difference=shown.difference,
        low=shown.low,
        high=shown.high,
        confidence=shown.confidence,
        samples=shown.samples,
        evidence=_finite(shown.evidence),
        needed=_finite(shown.needed),
        error_spent=shown.error_spent,
        corrected=shown.corrected,
        controlled=decision.controlled,
        risked=_risked(rules, evidence, decision) if kept and decision.simpler else None,
    )


def evidence_of(record: Comparison, samples: SamplePairs | None = None) -> Evidence:
    """The evidence that a record holds.

    Args:
        record: It.
        samples: What the ledger keeps elsewhere, for a comparison by samples.

    Raises:
        ValueError: It is no evidence.
    """
    return Evidence(
        metrics={name: Pairs(values, record.against[name]) for name, values in record.candidate.items()},
        samples=samples,
        points=record.points,
        rivals=record.rivals,
        simpler=record.simpler,
        slack=record.slack,
    )


def decide_again(record: Comparison, rules: Rules, samples: SamplePairs | None = None) -> Decision:
    """The decision that a recorded comparison leads to, without its interval.

    Raises:
        ValueError: A metric of the rules is missing, or the record is no evidence.
    """
    noises = {name: noise_of(noise) for name, noise in record.noise.items()}
    level = Level(record.level, record.raised)
    return decide(rules, noises, evidence_of(record, samples), level, figures=False)


def _risked(rules: Rules, evidence: Evidence, decision: Decision) -> float:
    """How much of the metric a keep for simplicity may have cost: no more than was allowed."""
    assert rules.simplicity is not None
    pairs = evidence.metrics[rules.metric]
    allowed = max(0.0, rules.simplicity.absolute(pairs.champion[0]) - evidence.slack)
    shown = decision.statement
    worst = shown.low if rules.goal == "maximize" else shown.high
    if worst is None:
        worst = shown.difference if shown.confidence is None else None
    if worst is None:
        return allowed
    loss = -worst if rules.goal == "maximize" else worst
    return min(allowed, max(0.0, loss))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
