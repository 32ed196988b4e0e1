import json
import logging
import math
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.config import CategoricalParameter, FloatParameter, IntParameter
from lab_plugin.errors import ProposerError
from lab_plugin.proposers import Outcome, Proposer, Request, open_proposer

NAMES = pytest.mark.parametrize("name", ["random", "tpe"])


def rosenbrock(params: dict) -> float:
    return (1 - params["x"]) ** 2 + 100 * (params["y"] - params["x"] ** 2) ** 2


def integer(low: int, high: int, **more: object) -> IntParameter:
    return IntParameter(type="int", low=low, high=high, **more)


def real(low: float, high: float, **more: object) -> FloatParameter:
    return FloatParameter(type="float", low=low, high=high, **more)


def choice(*choices: object) -> CategoricalParameter:
    return CategoricalParameter(type="categorical", choices=list(choices))


def outcome(number: int, params: dict, value: float | None) -> Outcome:
    return Outcome(
        number=number, params=params, value=value, verdict="crashed" if value is None else "reverted"
    )


async def search(
    proposer: Proposer, request_of: Callable[..., Request], numbers: range, score: Callable
) -> list[dict]:
    """Ask and tell for each number; the points in order."""
    points = []
    for number in numbers:
        [point] = (await proposer.ask(request_of(number))).points
        proposer.tell(outcome(number, point, score(point)))
        points.append(point)
    return points


@NAMES
async def test_maximise_and_minimise_are_mirrors(name, setup, request_of, mixed) -> None:
    def score(point: dict) -> float:
        return (math.log(point["lr"]) + 6) ** 2 + point["layers"] - 3 * (point["solver"] == "sgd")

    up = open_proposer(name, setup(goal="maximize", space=mixed))
    down = open_proposer(name, setup(goal="minimize", space=mixed))
    climbed = await search(up, request_of, range(1, 31), lambda point: -score(point))
    assert climbed == await search(down, request_of, range(1, 31), score)


async def test_tpe_finds_more_than_random(setup, request_of) -> None:
    found = {}
    for name in ("random", "tpe"):
        best = []
        for seed in range(3):
            proposer = open_proposer(name, setup(goal="minimize", seed=seed))
            best.append(min(map(rosenbrock, await search(proposer, request_of, range(1, 41), rosenbrock))))
        found[name] = statistics.median(best)
    assert found["tpe"] < found["random"]


@pytest.mark.slow
async def test_tpe_is_as_good_as_plain_optuna(setup, request_of) -> None:
    ours, plain = [], []
    distribution = optuna.distributions.FloatDistribution(-5.0, 5.0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for seed in range(5):
        proposer = open_proposer("tpe", setup(goal="minimize", seed=seed))
        ours.append(min(map(rosenbrock, await search(proposer, request_of, range(1, 101), rosenbrock))))
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        for _ in range(100):
            trial = study.ask({"x": distribution, "y": distribution})
            study.tell(trial, rosenbrock(trial.params))
        plain.append(study.best_value)
    assert statistics.median(ours) < 3 * statistics.median(plain)


async def test_tpe_keeps_away_from_what_crashes(setup, request_of) -> None:
    def score(point: dict) -> float | None:
        return None if point["x"] > 0.9 else rosenbrock(point)

    points = await search(open_proposer("tpe", setup(goal="minimize")), request_of, range(1, 61), score)
    assert sum(point["x"] > 0.9 for point in points) < 30


@NAMES
async def test_values_are_plain_and_inside(name, setup, request_of, mixed) -> None:
    proposer = open_proposer(name, setup(space=mixed))
    points = await search(proposer, request_of, range(1, 41), lambda point: point["lr"] + point["layers"])
    for point in points:
        assert list(point) == list(mixed)
        assert type(point["lr"]) is float and 1e-5 <= point["lr"] <= 1e-1
        assert point["dropout"] in [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        assert type(point["dropout"]) is float
        assert type(point["hidden"]) is int and 16 <= point["hidden"] <= 256
        assert type(point["layers"]) is int and point["layers"] in (1, 3, 5, 7, 9)
        assert point["solver"] in ("adam", "sgd")
        assert repr(point["odd"]) in ("False", "2", "2.5", "'2'")
        assert json.loads(json.dumps(point)) == point
    assert len({repr(point["odd"]) for point in points}) == 4


@NAMES
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    low=st.integers(-50, 50),
    count=st.integers(0, 9),
    step=st.sampled_from(["0.1", "0.25", "1e-7", "3", "0.7"]),
)
def test_steps_are_exact(name, low, count, step, setup, tmp_path: Path) -> None:
    import asyncio
    from decimal import Decimal

    exact = [Decimal(low) / 10 + index * Decimal(step) for index in range(count + 1)]
    space = {"x": real(float(exact[0]), float(exact[-1]), step=float(step))}
    request = Request(lab="x", number=1, parent="", workspace=None, destination=tmp_path, batch=count + 5)
    points = asyncio.run(open_proposer(name, setup(space=space)).ask(request)).points
    assert sorted(point["x"] for point in points) == [float(value) for value in exact]


@NAMES
async def test_a_finite_space_is_tried_once_and_then_over(name, setup, request_of) -> None:
    space = {"a": integer(1, 3), "b": choice(True, "t"), "c": real(0.5, 0.5), "d": integer(1, 2, log=True)}
    proposer = open_proposer(name, setup(space=space))
    points = await search(proposer, request_of, range(1, 13), lambda point: None if point["a"] == 2 else 1.0)
    assert len({json.dumps(point) for point in points}) == 12
    with pytest.raises(ProposerError, match="every point of the space was tried"):
        await proposer.ask(request_of(13))


@NAMES
async def test_a_batch_takes_what_is_left(name, setup, request_of) -> None:
    proposer = open_proposer(name, setup(space={"a": integer(1, 7)}))
    first = (await proposer.ask(request_of(1, batch=5))).points
    second = (await proposer.ask(request_of(2, batch=5))).points
    assert sorted(point["a"] for point in (*first, *second)) == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ProposerError, match="every point"):
        await proposer.ask(request_of(3))


@NAMES
async def test_a_large_finite_space_almost_used_up(name, setup, request_of) -> None:
    proposer = open_proposer(name, setup(space={"a": integer(0, 2999)}))
    for value in range(3000):
        if value != 1234:
            proposer.tell(outcome(value + 1, {"a": value}, float(value)))
    assert (await proposer.ask(request_of(9000))).points == ({"a": 1234},)


async def test_a_range_of_two_neighbouring_floats_ends(setup, request_of) -> None:
    proposer = open_proposer("random", setup(space={"a": real(1.0, math.nextafter(1.0, 2.0))}))
    with pytest.raises(ProposerError, match="every point"):
        await search(proposer, request_of, range(1, 10), lambda _: 0.0)


@NAMES
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"x": 1.0},
        {"x": 1.0, "y": 1.0, "z": 1.0},
        {"x": 1.0, "y": 5.5},
        {"x": 1.0, "y": "1.0"},
        {"x": 1.0, "y": True},
        {"x": 1.0, "y": None},
        {"x": 1.0, "y": math.nan},
        {"x": 1.0, "y": math.inf},
        {"x": 1.0, "y": [1.0]},
    ],
)
async def test_what_is_not_of_this_space_is_no_history(name, params, setup, request_of) -> None:
    told, untold = open_proposer(name, setup()), open_proposer(name, setup())
    for number in range(1, 40):
        told.tell(outcome(number, params, 1e9))
    assert await told.ask(request_of(40)) == await untold.ask(request_of(40))


async def test_a_widened_space_still_uses_old_points(setup, request_of) -> None:
    narrow = open_proposer("tpe", setup(space={"x": real(0.0, 1.0), "c": choice("a", "b")}))
    points = await search(narrow, request_of, range(1, 41), lambda point: -abs(point["x"] - 0.7))
    wide = open_proposer("tpe", setup(space={"x": real(-10.0, 10.0), "c": choice("a", "b", "c")}))
    for number, point in enumerate(points, start=1):
        wide.tell(outcome(number, point, -abs(point["x"] - 0.7)))
    suggestion = await wide.ask(request_of(41))
    assert "40 scored points" in suggestion.hypothesis
    assert "best so far is idea" in suggestion.hypothesis


async def test_a_narrowed_space_drops_what_lies_outside(setup, request_of) -> None:
    proposer = open_proposer("tpe", setup(space={"x": integer(0, 10, step=5)}))
    for number, value in enumerate([0, 3, 5, 11, -5, 2.0, "5"], start=1):
        proposer.tell(outcome(number, {"x": value}, 1.0))
    assert (await proposer.ask(request_of(9))).points == ({"x": 10},)


@NAMES
async def test_an_integer_stands_for_a_real_number(name, setup, request_of) -> None:
    proposer = open_proposer(name, setup(space={"x": real(0.0, 2.0, step=1.0)}))
    proposer.tell(outcome(1, {"x": 1}, 1.0))
    proposer.tell(outcome(2, {"x": 0.0}, 1.0))
    assert (await proposer.ask(request_of(3))).points == ({"x": 2.0},)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_a_value_that_is_no_number_is_no_value(value, setup, request_of) -> None:
    space = {"x": real(0.0, 1.0)}
    odd, plain = open_proposer("tpe", setup(space=space)), open_proposer("tpe", setup(space=space))
    for number in range(1, 16):
        for proposer, told in ((odd, value), (plain, None)):
            proposer.tell(outcome(number, {"x": number / 20}, told if number % 3 == 0 else number))
    assert await odd.ask(request_of(16)) == await plain.ask(request_of(16))


@NAMES
async def test_a_restart_in_the_middle_of_parallel_ideas(name, setup, request_of, floats) -> None:
    whole = open_proposer(name, setup())
    history = []
    for number in range(1, 25):
        [point] = (await whole.ask(request_of(number))).points
        history.append(outcome(number, point, -rosenbrock(point)))
        if number % 2 == 0:
            for told in history[-2:]:
                whole.tell(told)
    restarted = open_proposer(name, setup())
    for told in history:
        restarted.tell(told)
    assert await search(whole, request_of, range(25, 31), lambda p: -rosenbrock(p)) == await search(
        restarted, request_of, range(25, 31), lambda p: -rosenbrock(p)
    )


@NAMES
async def test_seed_and_number_both_matter(name, setup, request_of) -> None:
    one = open_proposer(name, setup(seed=1))
    other = open_proposer(name, setup(seed=2))
    points = [(await one.ask(request_of(number))).points for number in (1, 2)]
    points.append((await other.ask(request_of(1))).points)
    assert len({json.dumps(point) for point in points}) == 3


async def test_pending_points_push_the_estimator_away(setup, request_of) -> None:
    space = {"x": integer(0, 40)}
    proposer = open_proposer("tpe", setup(space=space))
    for number in range(12):
        proposer.tell(outcome(number + 1, {"x": number * 3}, -abs(number * 3 - 18)))
    points = [(await proposer.ask(request_of(number))).points[0]["x"] for number in range(20, 36)]
    assert len(set(points)) == 16
    assert not set(points) & {number * 3 for number in range(12)}


@NAMES
async def test_the_end_of_an_idea_frees_its_pending_points(name, setup, request_of) -> None:
    proposer = open_proposer(name, setup(space={"x": integer(0, 3)}))
    await proposer.ask(request_of(1, batch=4))
    proposer.tell(outcome(1, {}, None))
    again = (await proposer.ask(request_of(2, batch=4))).points
    assert sorted(point["x"] for point in again) == [0, 1, 2, 3]


async def test_a_told_point_of_a_batch_leaves_the_others_pending(setup, request_of) -> None:
    proposer = open_proposer("tpe", setup(space={"x": integer(0, 3)}))
    points = (await proposer.ask(request_of(1, batch=3))).points
    proposer.tell(outcome(1, points[0], 1.0))
    [left] = (await proposer.ask(request_of(2, batch=4))).points
    assert left not in points


async def test_what_the_sampler_sees_is_bounded(setup, request_of, monkeypatch) -> None:
    seen = []
    original = optuna.study.Study.ask

    def ask(study: optuna.study.Study, *args: object) -> optuna.trial.Trial:
        seen.append(len(study.get_trials(deepcopy=False)))
        return original(study, *args)

    monkeypatch.setattr(optuna.study.Study, "ask", ask)
    proposer = open_proposer("tpe", setup(goal="minimize"))
    for number in range(1, 3001):
        angle = float(number)
        params = {"x": 4.9 * math.sin(angle), "y": 4.9 * math.cos(angle * 1.7)}
        proposer.tell(outcome(number, params, None if number % 7 == 0 else rosenbrock(params)))
        if number in (1000, 3000):
            await proposer.ask(request_of(number + 1))
    assert 100 <= min(seen) <= max(seen) < 160


async def test_the_best_point_is_never_forgotten(setup, request_of) -> None:
    proposer = open_proposer("tpe", setup(space={"x": real(0.0, 1.0)}))
    for number in range(1, 2001):
        value = 0.5 if number < 15 else 0.1 + (number * 0.6180339) % 0.3
        proposer.tell(outcome(number, {"x": value + number * 1e-9}, -abs(value - 0.5)))
    suggestion = await proposer.ask(request_of(2001))
    assert "best so far is idea 1." in suggestion.hypothesis
    assert 0.35 < suggestion.points[0]["x"] < 0.65


@NAMES
async def test_optuna_is_silent_and_its_settings_are_left_alone(
    name, setup, request_of, mixed, capfd, monkeypatch
) -> None:
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await search(open_proposer(name, setup(space=mixed)), request_of, range(1, 16), lambda p: p["lr"])
    assert optuna.logging.get_verbosity() == logging.DEBUG
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    assert capfd.readouterr() == ("", "")


async def test_titles_say_what_changes(setup, request_of) -> None:
    space = {"hidden": choice(128), "lr": real(0.003, 0.003), "name": choice("a\nb")}
    first = await open_proposer("random", setup(space=space)).ask(request_of(1))
    assert first.title == "hidden=128, lr=0.003, name=a b"
    space = {"hidden": choice(128), "on": choice(True, False)}
    proposer = open_proposer("random", setup(space=space))
    proposer.tell(outcome(1, {"hidden": 128, "on": False}, 1.0))
    assert (await proposer.ask(request_of(2))).title == "on=true"
    proposer = open_proposer(
        "random", setup(space={"fixed": choice(1), "k": integer(1, 9), "n": integer(1, 9)})
    )
    assert (await proposer.ask(request_of(3, batch=4))).title == "sweep of 4: k, n"


async def test_titles_of_wide_spaces_stay_short(setup, request_of) -> None:
    space = {f"a rather long parameter name {index}": real(0.0, 1.0) for index in range(30)}
    suggestion = await open_proposer("random", setup(space=space)).ask(request_of(1))
    assert suggestion.title.endswith("more")
    assert len(suggestion.title) < 80


@NAMES
def test_settings_are_refused_by_name(name, setup) -> None:
    with pytest.raises(ProposerError, match="startup"):
        open_proposer(name, setup(settings={"startup": 3}))


@NAMES
def test_a_lab_without_a_space_is_refused(name, setup) -> None:
    with pytest.raises(ProposerError, match="search space"):
        open_proposer(name, setup(space={}))
