"""Policies without a test: what is higher is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from lab_plugin.decision._decision import Decision
from lab_plugin.decision._evidence import Evidence
from lab_plugin.decision._exact import ExactRule
from lab_plugin.decision._guards import look_at_guards
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._rules import Rules
from lab_plugin.decision._simplicity import exactly_simpler
from lab_plugin.decision._statement import describe


def decide_exact(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence) -> Decision:
    """Compare the first scores as they are, guards by their means."""
    decision, guards = compare_exactly(rules, evidence), look_at_guards(rules, {}, evidence)
    if decision.state == "keep" and guards.broken:
        return replace(decision, state="revert", reason=guards.broken)
    return decision


def compare_exactly(rules: Rules, evidence: Evidence) -> Decision:
    """Compare the first scores of the metric as they are; no guard is looked at."""
    pairs = evidence.metrics[rules.metric].first(1)
    rule = ExactRule(rules.goal, rules.min_improvement.absolute(pairs.reference))
    compared = rule.compare(pairs.candidate[0], pairs.champion[0])
    statement = describe(pairs)
    if compared.verdict == "kept":
        return Decision(state="keep", reason=compared.reason, statement=statement)
    if simpler := exactly_simpler(rules, evidence):
        return Decision(state="keep", reason=simpler, statement=statement, simpler=True)
    return Decision(state="revert", reason=compared.reason, statement=statement)


def decide_greedy(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence) -> Decision:
    """Keep the higher mean of a fixed number of repeats; nothing keeps noise out."""
    pairs = evidence.metrics[rules.metric]
    pairs = pairs.first(min(rules.repeats, len(pairs)))
    better = (
        _mean(pairs.gains(rules.goal)) > 0 and _mean(pairs.excess(rules.goal, rules.min_improvement)) >= 0
    )
    return _settle(
        rules, evidence, better, "higher" if better else "not higher", "greedy, no control of error"
    )


def decide_threshold(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence) -> Decision:
    """Keep what reaches the bar on the mean of a fixed number of repeats, unless the champion is better."""
    pairs = evidence.metrics[rules.metric]
    pairs = pairs.first(min(rules.repeats, len(pairs)))
    bar = rules.bar if rules.bar is not None else math.inf
    reached = _mean(tuple(value - bar for value in pairs.candidate)) * (1 if rules.goal == "maximize" else -1)
    ahead = _mean(pairs.gains(rules.goal))
    better = reached >= 0 and ahead > 0
    word = "reaches" if reached >= 0 else "does not reach"
    if reached >= 0 >= ahead:
        word = "is no better than the champion and reaches"
    return _settle(rules, evidence, better, f"{word} the bar of {bar:.6g}", "no control of error")


def _settle(rules: Rules, evidence: Evidence, better: bool, reason: str, label: str) -> Decision:
    used = min(rules.repeats, evidence.repeats)
    statement = describe(evidence.metrics[rules.metric].first(used))
    if evidence.repeats < rules.repeats:
        waits = f"{evidence.repeats} of {rules.repeats} repeats"
        return Decision(state="continue", reason=waits, statement=statement)
    guards = look_at_guards(rules, {}, evidence)
    if better and guards.broken:
        return Decision(state="revert", reason=guards.broken, statement=statement)
    return Decision(state="keep" if better else "revert", reason=f"{reason} ({label})", statement=statement)


def _mean(values: tuple[float, ...]) -> float:
    return math.fsum(value / len(values) for value in values)
