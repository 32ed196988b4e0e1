"""Trials that Optuna takes in without a copy, and its silence. Imports Optuna, so it is imported late."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

_THEN = datetime(2000, 1, 1)


class _SharedTrial(FrozenTrial):
    """A trial that nobody changes.

    Optuna's in-memory storage copies a trial deeply when it takes it in, which costs more than all else that
    it does; parameters, distributions and values may as well be shared.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedTrial:
        return copy.copy(self)


def shared_trial(
    state: TrialState,
    value: float | None,
    values: dict[int, float],
    params: Mapping[str, Any] | None = None,
    distributions: dict[str, Any] | None = None,
) -> FrozenTrial:
    """A trial that is taken in without a copy.

    Args:
        state: Its state.
        value: Its final value; None without one.
        values: Intermediate values by step.
        params: Its parameters.
        distributions: Of them.
    """
    return _SharedTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=value,
        datetime_start=_THEN,
        datetime_complete=_THEN if state.is_finished() else None,
        params=dict(params or {}),
        distributions=distributions or {},
        user_attrs={},
        system_attrs={},
        intermediate_values=values,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from logging anything but errors."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
