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
    assert await proposals(outcomes(1, -1), goal="maximize", curve_goals=("minimize",)) == up
    assert await proposals(outcomes(-1, 1), goal="minimize", curve_goals=("maximize",)) == up


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


async def test_points_that_came_further_rank_before_those_that_stopped_earlier(
    proposals: Callable[..., Any], seen: list[FrozenTrial]
) -> None:
    told = [
        Outcome(number=1, params={"x": 0.1}, value=0.9, tiers={"proxy": 0.2, "middle": 30.0}),
        Outcome(number=2, params={"x": 0.2}, tiers={"proxy": 0.4}),
        Outcome(number=3, params={"x": 0.3}, tiers={"proxy": 0.3, "middle": 20.0}),
        Outcome(number=4, params={"x": 0.4}, tiers={"proxy": 0.5}, pruned=True, curve={7: 0.1}),
        Outcome(number=5, params={"x": 0.5}, pruned=True, curve={2**53: 0.1}),
        Outcome(number=6, params={"x": 0.6}),
    ]
    tiers = {"proxy": "maximize", "middle": "minimize"}
    await proposals(told, goal="maximize", tiers=tiers, curve_goals=("maximize", "minimize", "maximize"))
    states = {round(trial.params["x"] * 10): trial for trial in seen[:6]}
    assert [states[number].state for number in range(1, 7)] == [
        TrialState.COMPLETE,
        *4 * [TrialState.PRUNED],
        TrialState.RUNNING,
    ]
    ends = {number: next(iter(states[number].intermediate_values.items())) for number in (2, 3, 4, 5)}
    assert sorted(ends, key=lambda number: ends[number][0], reverse=True) == [3, 4, 2, 5]
    # The study minimises: each value by the goal of what it was told of.
    assert [ends[number][1] for number in (2, 3, 4, 5)] == [-0.4, 20.0, 0.1, -0.1]


async def test_the_estimator_goes_where_points_were_good_at_the_cheap_tier(
    proposals: Callable[..., Any],
) -> None:
    values = [number / 40 for number in range(40)]
    told = [
        Outcome(number=number, params={"x": x}, tiers={"proxy": -abs(x - 0.8)})
        for number, x in enumerate(values, 1)
    ]
    proposed = [points[0]["x"] for points in await proposals(told, tiers={"proxy": "maximize"})]
    assert all(x > 0.6 for x in proposed)
