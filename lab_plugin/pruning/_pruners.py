"""From `[pruning]` to Optuna's pruner. This module imports Optuna, so it is imported late."""

from __future__ import annotations

import warnings

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    WilcoxonPruner,
)

from lab_plugin.config import Pruning

_WILCOXON_PAIRS = 2


def open_pruner(rule: Pruning) -> BasePruner:
    """The pruner that a lab's configuration names."""
    with warnings.catch_warnings():
        # Two of them are marked as experimental; which version is used is pinned.
        warnings.simplefilter("ignore")
        if rule.pruner != "patient":
            return _open(rule.pruner, rule)
        wrapped = None if rule.then is None else _open(rule.then, rule)
        return PatientPruner(wrapped, patience=rule.patience, min_delta=rule.min_delta)


def _open(name: str, rule: Pruning) -> BasePruner:
    match name:
        case "median":
            return MedianPruner(rule.startup, rule.warmup or 0, rule.interval)
        case "percentile":
            return PercentilePruner(rule.percentile, rule.startup, rule.warmup or 0, rule.interval)
        case "hyperband":
            return HyperbandPruner(rule.min_resource, rule.max_resource or "auto", rule.reduction_factor)
        case _:
            pairs = _WILCOXON_PAIRS if rule.warmup is None else rule.warmup
            return WilcoxonPruner(p_threshold=rule.p_threshold, n_startup_steps=pairs)
