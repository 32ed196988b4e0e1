"""Earlier curves as an Optuna study, and the pruner's word on a curve that grows.

This module imports Optuna, so it is imported late. What Optuna does with a study, by its source (5.0):
`median` and `percentile` look at complete trials that have a value at the very step, and compare the best
value of the curve so far; `wilcoxon` pairs the steps with those of the complete trial of the best value;
`hyperband` draws a bracket from the study's name and the trial's number, and lets a trial compete with all
of its bracket that came as far, also those that are running or were pruned.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from lab_plugin.config import Pruning
from lab_plugin.optuna_trials import quiet, shared_trial
from lab_plugin.pruning._curve import Curve
from lab_plugin.pruning._pruned import Past
from lab_plugin.pruning._pruners import open_pruner

Goal = Literal["maximize", "minimize"]


class Study:
    """Curves of one tier of one lab, as the pruner sees them.

    Args:
        rule: `[pruning]`.
        goal: Which way the curve's values are better.
        flip: Scores are better the other way.
    """

    def __init__(self, rule: Pruning, goal: Goal, *, flip: bool) -> None:
        self._rule = rule
        self._sign = -1.0 if flip else 1.0
        with _quiet():
            self.study = optuna.create_study(
                study_name="lab", direction=goal, sampler=RandomSampler(seed=0), pruner=open_pruner(rule)
            )
        self.size = 0

    def add(self, past: Past) -> None:
        """Take in a run that is over."""
        self.size += 1
        values = past.curve.values
        if self._rule.pruner != "hyperband":
            self.study.add_trial(shared_trial(self._state(past), self._value(past), values))
            return
        # Its rungs are marked by asking; between them there is nothing to mark.
        self.study.add_trial(shared_trial(TrialState.RUNNING, None, values))
        number = len(self.study.get_trials(deepcopy=False)) - 1
        for step in self._rungs(values):
            self._ask(number, {step: values[step]})
        self._tell(number, past)

    def begin(self) -> Running:
        """A run begins."""
        self.size += 1
        with _quiet():
            return Running(self.study.ask(), self)

    def should_end(self, running: Running, curve: Curve) -> bool:
        """Whether the pruner would end a run at the last point of its curve."""
        return self._ask(running.trial.number, curve.values)

    def end(self, running: Running, past: Past) -> None:
        """A run is over."""
        with _quiet():
            # Not before: Optuna copies all points for each that comes.
            for step, value in past.curve.points:
                running.trial.report(value, step)
        self._tell(running.trial.number, past)

    def at(self, step: int) -> list[float]:
        """The values of complete curves at a step."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial.intermediate_values[step] for trial in trials if step in trial.intermediate_values]

    def _ask(self, number: int, values: dict[int, float]) -> bool:
        probe = copy.copy(self.study.get_trials(deepcopy=False)[number])
        probe.intermediate_values = values
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(self.study.pruner.prune(self.study, probe))

    def _rungs(self, values: dict[int, float]) -> Iterator[int]:
        """The first step at or beyond each step at which a trial may have to pass."""
        goal = self._rule.min_resource
        for step in values:
            if step >= goal:
                yield step
            while step >= goal:
                goal *= self._rule.reduction_factor

    def _tell(self, number: int, past: Past) -> None:
        with _quiet():
            self.study.tell(number, self._value(past), state=self._state(past))

    def _state(self, past: Past) -> TrialState:
        if past.pruned:
            return TrialState.PRUNED
        return TrialState.FAIL if past.value is None else TrialState.COMPLETE

    def _value(self, past: Past) -> float | None:
        return None if past.value is None or past.pruned else self._sign * past.value


@dataclass(frozen=True)
class Running:
    """A run that lasts.

    Attributes:
        trial: Optuna's.
        study: It is compared with.
    """

    trial: optuna.Trial
    study: Study


@contextmanager
def _quiet() -> Iterator[None]:
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
