"""What the optimisers learn of points that were pruned."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from lab_plugin.config import FloatParameter
from lab_plugin.proposers import Outcome, random_proposer, tpe_proposer

SPACE_POINTS = 14
LINE = FloatParameter(type="float", low=0.0, high=1.0)


def outcomes(sign: float, curve_sign: float) -> list[Outcome]:
    """Points on a line: even ones have a score, odd ones were pruned, the later the better they were."""
    told = []
    for number in range(1, SPACE_POINTS + 1):
        params = {"x": number / 20}
        if number % 2:
            curve = {0: curve_sign * 0.5, number: curve_sign * number / 20}
            told.append(Outcome(number=number, params=params, pruned=True, curve=curve))
        else:
            told.append(Outcome(number=number, params=params, value=sign * number / 20))
    return told


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[FrozenTrial]:
    """The trials that Optuna is told."""
    found: list[FrozenTrial] = []
    add = optuna.Study.add_trial

    def note(study: optuna.Study, trial: FrozenTrial) -> None:
        found.append(trial)
        add(study, trial)

    monkeypatch.setattr(optuna.Study, "add_trial", note)
    return found


@pytest.fixture
def proposals(setup: Callable[..., Any], request_of: Callable[..., Any]) -> Callable[..., Any]:
    async def ask(told: list[Outcome], make: Any = tpe_proposer, **changes: Any) -> list[Any]:
        proposer = make(setup(space={"x": LINE}, **changes))
        for outcome in told:
            proposer.tell(outcome)
        return [(await proposer.ask(request_of(number))).points for number in range(50, 54)]

    return ask


async def test_optuna_is_told_that_a_point_was_pruned_and_where(
    proposals: Callable[..., Any], seen: list[FrozenTrial]
) -> None:
    diverged = Outcome(number=15, params={"x": 0.9}, pruned=True)
    await proposals([*outcomes(1, 1), diverged], goal="maximize")
    states = {round(trial.params["x"] * 20): trial for trial in seen[:15]}
    assert [states[number].state for number in range(1, 15)] == 7 * [TrialState.PRUNED, TrialState.COMPLETE]
    # The study minimises.
    assert states[5].intermediate_values == {5: -0.25}
    assert states[6].values == [-0.3]
    assert states[18].state == TrialState.RUNNING


async def test_maximise_and_minimise_are_mirrors_for_pruned_points_too(proposals: Callable[..., Any]) -> None:
    up = await proposals(outcomes(1, 1), goal="maximize")
    assert await proposals(outcomes(-1, -1), goal="minimize") == up
    assert await proposals(outcomes(1, -1), goal="maximize", curve_goal="minimize") == up
    assert await proposals(outcomes(-1, 1), goal="minimize", curve_goal="maximize") == up


async def test_a_short_end_of_the_curve_teaches_the_same_as_all_of_it(proposals: Callable[..., Any]) -> None:
    whole = outcomes(1, 1)
    ends = [
        replace(outcome, curve=dict([max(outcome.curve.items())])) if outcome.pruned else outcome
        for outcome in whole
    ]
    assert await proposals(whole) == await proposals(ends)
    assert await proposals(whole, random_proposer) == await proposals([], random_proposer)


async def test_the_estimator_keeps_away_from_pruned_points(
    proposals: Callable[..., Any],
) -> None:
    """Low points are scored, all alike; high ones were pruned at once."""
    told = [Outcome(number=number, params={"x": number / 100}, value=0.5) for number in range(1, 21)]
    told += [
        Outcome(number=number, params={"x": 0.5 + number / 100}, pruned=True, curve={0: 0.0})
        for number in range(21, 45)
    ]
    proposed = [points[0]["x"] for points in await proposals(told)]
    assert all(x < 0.5 for x in proposed)
