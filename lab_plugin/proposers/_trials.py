"""Told points as Optuna trials. This module imports Optuna, so it is imported late."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lab_plugin.proposers._space import Code

_THEN = datetime(2000, 1, 1)


class _SharedTrial(FrozenTrial):
    """A trial that nobody changes.

    Optuna's in-memory storage copies a trial deeply when it takes it in, which costs more than the
    sampling; parameters and distributions may as well be shared.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedTrial:
        return copy.copy(self)


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
    return _SharedTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=loss,
        datetime_start=_THEN,
        datetime_complete=_THEN if state.is_finished() else None,
        params=dict(zip(distributions, code, strict=True)),
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={} if end is None else dict([end]),
    )
