"""Told points as Optuna trials. This module imports Optuna, so it is imported late."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lab_plugin.optuna_trials import shared_trial
from lab_plugin.proposers._space import Code


def trial(
    code: Code, distributions: dict[str, Any], loss: float | None, end: tuple[int, float] | None = None
) -> FrozenTrial:
    """A trial of one point; one that was pruned has the `end` of its curve, step and loss.

    A point without a value is shown as running: the estimator counts such trials among the bad ones
    (its "constant liar"), so it keeps away from pending points and from regions that crash. As a
    failed trial it would be ignored, and the crash repeated.
    """
    state = TrialState.RUNNING if loss is None else TrialState.COMPLETE
    state = state if end is None else TrialState.PRUNED
    values = {} if end is None else dict([end])
    return shared_trial(state, loss, values, dict(zip(distributions, code, strict=True)), distributions)
