"""Keep or revert: the decision rule."""

from lab_plugin.decision._exact import ExactRule
from lab_plugin.decision._rule import Comparison, DecisionRule, open_rule

__all__ = ["Comparison", "DecisionRule", "ExactRule", "open_rule"]
