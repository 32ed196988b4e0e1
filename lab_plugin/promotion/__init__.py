"""Promotion: how ideas go from one tier to the next.

A `Rung` takes in the results of one tier of one campaign and says which ideas go on, by one of the rules;
`can_fire` finds a rule that can never promote anything; `agreement` says how well a cheap tier foretells
the order of a dearer one.
"""

from lab_plugin.promotion._agreement import FLOOR, Agreement, agreement
from lab_plugin.promotion._firing import can_fire
from lab_plugin.promotion._rules import Decided, Goal, Quantile, Rule, Threshold, TopK
from lab_plugin.promotion._rung import WAITED, Rung

__all__ = [
    "Agreement",
    "Decided",
    "FLOOR",
    "Goal",
    "Quantile",
    "Rule",
    "Rung",
    "Threshold",
    "TopK",
    "WAITED",
    "agreement",
    "can_fire",
]
