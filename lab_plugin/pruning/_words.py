"""Why a run was ended, in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lab_plugin.config import Pruning
from lab_plugin.pruning._curve import Curve
from lab_plugin.pruning._pruned import DIVERGED, Pruned

if TYPE_CHECKING:
    from lab_plugin.pruning._study import Goal, Study


def diverged(step: int, value: float, curve: Curve) -> Pruned:
    """A run whose curve is not finite any more."""
    reason = f"pruned at step {step}: its curve diverged ({value})"
    return Pruned(step, None, DIVERGED, _with_left_out(reason, replace(curve, not_finite=0)))


def pruned(rule: Pruning, goal: Goal, study: Study, curve: Curve) -> Pruned:
    """A run that the pruner ended at the last point of its curve.

    Args:
        rule: `[pruning]`.
        goal: Which way the curve's values are better.
        study: The earlier curves.
        curve: Up to there.
    """
    step, value = curve.points[-1]
    why = _why(rule, goal, study, curve)
    return Pruned(
        step, value, rule.pruner, _with_left_out(f"pruned at step {step} by {rule.pruner}: {why}", curve)
    )


def _why(rule: Pruning, goal: Goal, study: Study, curve: Curve) -> str:
    if rule.pruner == "patient":
        told = f"no progress in the last {rule.patience + 1} points"
        return told if rule.then is None else f"{told}, and {_among(rule.then, rule, goal, study, curve)}"
    return _among(rule.pruner, rule, goal, study, curve)


def _among(name: str, rule: Pruning, goal: Goal, study: Study, curve: Curve) -> str:
    step, value = curve.points[-1]
    best = (max if goal == "maximize" else min)(value for _, value in curve.points)
    if name == "hyperband":
        return f"{value:.6g} is not among the best in {rule.reduction_factor} of those that came as far"
    if name == "wilcoxon":
        return f"worse than the best idea, point by point (p below {rule.p_threshold:g})"
    import numpy

    share = 50.0 if name == "median" else rule.percentile
    others = study.at(step)
    bound = numpy.percentile(others, 100 - share if goal == "maximize" else share)
    of = "the median" if name == "median" else f"the best {share:g} %"
    curves = "curve" if len(others) == 1 else "curves"
    return f"{best:.6g}, its best so far, is worse than {of} of {len(others)} {curves} there ({bound:.6g})"


def _with_left_out(reason: str, curve: Curve) -> str:
    told = curve.left_out()
    return f"{reason}; {told}" if told else reason
