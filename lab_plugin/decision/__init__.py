"""Keep or revert: the decision rule.

`decide` is asked after each repeat of an idea; `ErrorBudget` says what an idea may spend;
`estimate_noise` makes of a calibration what both need to know.
"""

from lab_plugin.decision._chart import draw_comparison
from lab_plugin.decision._decide import decide
from lab_plugin.decision._decision import Decision
from lab_plugin.decision._drift import Drift, look_for_drift
from lab_plugin.decision._evidence import Evidence, Margin, Pairs, SamplePairs, missing_seeds
from lab_plugin.decision._exact import ExactRule
from lab_plugin.decision._found import contradicted
from lab_plugin.decision._levels import ErrorBudget, Level, Spent
from lab_plugin.decision._noise import Noise, calibrated_enough, estimate_noise
from lab_plugin.decision._power import confirm, detectable_improvement, wald_bounds
from lab_plugin.decision._rule import Comparison, DecisionRule, open_rule
from lab_plugin.decision._rules import POLICIES, Guard, Objective, Policy, Rules
from lab_plugin.decision._seeds import calibration_seed, comparison_seed, confirmation_seed
from lab_plugin.decision._statement import Statement

__all__ = [
    "Comparison",
    "Decision",
    "DecisionRule",
    "Drift",
    "ErrorBudget",
    "Evidence",
    "ExactRule",
    "Guard",
    "Level",
    "Margin",
    "Noise",
    "Objective",
    "POLICIES",
    "Pairs",
    "Policy",
    "Rules",
    "SamplePairs",
    "Spent",
    "Statement",
    "calibrated_enough",
    "calibration_seed",
    "comparison_seed",
    "confirm",
    "confirmation_seed",
    "contradicted",
    "decide",
    "detectable_improvement",
    "draw_comparison",
    "estimate_noise",
    "look_for_drift",
    "missing_seeds",
    "open_rule",
    "wald_bounds",
]
