"""The decision: one pure function from rules, noise and evidence to what happens next."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.decision._decision import Decision
from lab_plugin.decision._evidence import Evidence
from lab_plugin.decision._levels import Level
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._pareto import decide_pareto
from lab_plugin.decision._plain import decide_exact, decide_greedy, decide_threshold
from lab_plugin.decision._rules import Rules
from lab_plugin.decision._significant import decide_significant


def decide(
    rules: Rules,
    noises: Mapping[str, Noise],
    evidence: Evidence,
    level: Level,
    *,
    figures: bool = True,
) -> Decision:
    """Decide an idea, or ask for another repeat.

    Call it after each repeat, with all of them, and stop at any state but `continue`. It depends on
    nothing but its arguments, so that a verdict can be checked from what was recorded.

    Args:
        rules: `[decision]`.
        noises: Metric -> noise, for the lab's metric, and those of guards and objectives.
        evidence: All pairs so far, against the champion of the moment. When the champion changes, the
            pairs are made anew from the same scores of the candidate.
        level: What the idea may spend, from the campaign's `ErrorBudget`.
        figures: Also the interval and the corrected difference of `significant`, which cost more than all
            the rest and decide nothing.

    Raises:
        ValueError: A metric of the rules is missing from the evidence or the noises.
    """
    _require(rules, noises, evidence)
    if rules.policy == "exact":
        return decide_exact(rules, noises, evidence)
    if rules.policy == "greedy":
        return decide_greedy(rules, noises, evidence)
    if rules.policy == "threshold":
        return decide_threshold(rules, noises, evidence)
    if rules.objectives:
        return decide_pareto(rules, noises, evidence, level)
    return decide_significant(rules, noises, evidence, level, figures)


def _require(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence) -> None:
    wanted = [rules.metric, *(guard.metric for guard in rules.guards)]
    wanted += [objective.metric for objective in rules.objectives]
    for name in wanted:
        if name not in evidence.metrics:
            raise ValueError(f"the metric {name!r} was not compared")
        if name not in noises:
            raise ValueError(f"the noise of the metric {name!r} is not known")
