"""The contract of a decision rule, and the way from `[decision]` to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from lab_plugin.errors import ConfigError

Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Comparison:
    """What a rule says of a candidate's value beside the champion's.

    Attributes:
        verdict: `kept`, `reverted` or `inconclusive`.
        reason: One sentence with the figures.
        difference: Candidate minus champion, in the metric's units; None when it overflows a float.
    """

    verdict: Literal["kept", "reverted", "inconclusive"]
    reason: str
    difference: float | None


class DecisionRule(Protocol):
    """Decides between two finite values of one metric, made under one lock; a pure function of its input."""

    def compare(self, value: float, champion: float) -> Comparison:
        """Compare a candidate with the champion.

        Args:
            value: The candidate's metric.
            champion: The champion's metric, from the same epoch.
        """


def open_rule(policy: str, goal: Goal, min_improvement: float) -> DecisionRule:
    """Build the rule that `[decision]` names.

    Raises:
        ConfigError: There is no such policy.
    """
    from lab_plugin.decision._exact import ExactRule

    if policy != "exact":
        raise ConfigError(f"[decision] policy {policy!r} is unknown.", "Use 'exact'.")
    return ExactRule(goal=goal, min_improvement=min_improvement)
