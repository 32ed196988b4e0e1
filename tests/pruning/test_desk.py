"""The desk says of every curve what Optuna's own loop says of it."""

import asyncio
import math
import random
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna import pruners

from lab_plugin.config import Pruning
from lab_plugin.pruning import Curve, Past, Pruned, PruningDesk

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

RULES: list[tuple[dict[str, Any], Any]] = [
    ({"pruner": "median", "startup": 3}, lambda: pruners.MedianPruner(3)),
    (
        {"pruner": "median", "startup": 1, "warmup": 4, "interval": 3},
        lambda: pruners.MedianPruner(1, 4, 3),
    ),
    ({"pruner": "percentile", "percentile": 30.0, "startup": 4}, lambda: pruners.PercentilePruner(30.0, 4)),
    ({"pruner": "hyperband", "max_resource": 18}, lambda: pruners.HyperbandPruner(1, 18, 3)),
    (
        {"pruner": "hyperband", "min_resource": 2, "reduction_factor": 2},
        lambda: pruners.HyperbandPruner(2, "auto", 2),
    ),
    ({"pruner": "wilcoxon", "p_threshold": 0.2}, lambda: pruners.WilcoxonPruner(p_threshold=0.2)),
    (
        {"pruner": "wilcoxon", "warmup": 6},
        lambda: pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=6),
    ),
    ({"pruner": "patient", "patience": 3, "min_delta": 0.05}, lambda: pruners.PatientPruner(None, 3, 0.05)),
    (
        {"pruner": "patient", "patience": 1, "then": "median", "startup": 2},
        lambda: pruners.PatientPruner(pruners.MedianPruner(2), 1),
    ),
]


def curves(sign: float, count: int = 26, points: int = 18) -> list[list[float]]:
    """Noisy curves towards different levels; higher is better where `sign` is 1."""
    draw = random.Random(5)
    found = []
    for _ in range(count):
        level = draw.random()
        found.append(
            [sign * (level * (1 - math.exp(-step / 6)) + draw.gauss(0, 0.04)) for step in range(points)]
        )
    return found


def by_optuna(pruner: Any, goal: str, given: list[list[float]]) -> list[int | None]:
    """The step at which Optuna ends each curve, in its own loop."""
    study = optuna.create_study(
        study_name="lab", direction=goal, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    ends: list[int | None] = []
    for values in given:
        trial, end = study.ask(), None
        for step, value in enumerate(values):
            trial.report(value, step)
            if trial.should_prune():
                end = step
                break
        if end is None:
            study.tell(trial, values[-1])
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        ends.append(end)
    return ends


def name_of(value: object) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else "optuna"


async def play(desk: PruningDesk, number: int, values: list[float], folder: Path, score: float) -> Past:
    """One run under the desk's eyes; what it comes to is settled."""
    log = folder / f"{number}.log"

    async def run() -> str:
        log.write_text("".join(f"LAB_CURVE {step} {value!r}\n" for step, value in enumerate(values)))
        return "ran"

    found = await desk.watch(number, 0, run(), log, 1 << 20)
    past = Past(found.curve, None if found.pruned else score, found.pruned is not None)
    desk.settle(number, {0: past})
    return past


def end_of(past: Past) -> int | None:
    return past.curve.points[-1][0] if past.pruned else None


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize(("rule", "pruner"), RULES, ids=name_of)
async def test_every_pruner_decides_as_in_optuna(
    rule: dict[str, Any], pruner: Any, goal: str, tmp_path: Path
) -> None:
    sign = 1.0 if goal == "maximize" else -1.0
    given = curves(sign)
    expected = by_optuna(pruner(), goal, given)
    assert {end is None for end in expected} == {True, False}
    desk = PruningDesk(Pruning(**rule), goal)  # type: ignore[arg-type]
    pasts: list[Past] = []
    for number, values in enumerate(given):
        if number == 16:
            # As a campaign that goes on after a kill has it.
            desk = PruningDesk(Pruning(**rule), goal)  # type: ignore[arg-type]
            desk.recall(pasts)
        pasts.append(await play(desk, number, values, tmp_path, values[-1]))
    assert [end_of(past) for past in pasts] == expected


@pytest.mark.parametrize(("rule", "pruner"), [RULES[0], RULES[3], RULES[6]], ids=name_of)
async def test_a_curve_may_be_better_the_other_way_than_the_metric(
    rule: dict[str, Any], pruner: Any, tmp_path: Path
) -> None:
    """A loss that falls while the metric, an accuracy, rises."""
    losses = curves(-1.0)
    expected = by_optuna(pruner(), "minimize", losses)
    desk = PruningDesk(Pruning(**rule, goal="minimize"), "maximize")
    pasts = [await play(desk, number, values, tmp_path, -values[-1]) for number, values in enumerate(losses)]
    assert [end_of(past) for past in pasts] == expected


async def test_a_curve_that_is_not_finite_ends_a_run_under_every_pruner(tmp_path: Path) -> None:
    for rule, _ in RULES:
        desk = PruningDesk(Pruning(**rule), "maximize")
        past = await play(desk, 1, [0.1, math.nan, 0.2], tmp_path, 1.0)
        assert past.pruned and past.curve.points == ((0, 0.1),)
    past = await play(PruningDesk(None, "maximize"), 1, [0.1, math.inf, 0.2], tmp_path, 1.0)
    assert not past.pruned and past.curve.points == ((0, 0.1), (2, 0.2))


async def test_parallel_runs_are_told_apart_and_a_run_that_is_begun_again_counts_once(tmp_path: Path) -> None:
    desk = PruningDesk(Pruning(pruner="median", startup=1), "maximize")
    await play(desk, 1, [0.5, 0.6], tmp_path, 0.6)

    async def broken() -> str:
        raise OSError("the sandbox broke")

    with pytest.raises(OSError, match="broke"):
        await desk.watch(2, 0, broken(), tmp_path / "none", 100)
    both = await asyncio.gather(
        play(desk, 2, [0.4, 0.9], tmp_path, 0.9), play(desk, 3, [0.7, 0.8], tmp_path, 0.8)
    )
    assert [past.pruned for past in both] == [True, False]


@pytest.mark.parametrize("name", ["median", "hyperband"])
async def test_a_run_that_crashed_is_no_curve_to_beat(name: str, tmp_path: Path) -> None:
    rule = Pruning(pruner=name, **({"startup": 0} if name == "median" else {"max_resource": 9}))  # type: ignore[arg-type]
    desk = PruningDesk(rule, "maximize")
    crashed = Past(Curve(((0, 0.9),)))
    desk.recall([crashed])
    assert not (await play(desk, 1, [0.5], tmp_path, 0.5)).pruned

    async def run() -> str:
        (tmp_path / "crash.log").write_text("LAB_CURVE 0 0.8\n")
        return "exit status 1"

    await desk.watch(2, 0, run(), tmp_path / "crash.log", 99)
    desk.settle(2, {0: crashed})
    assert not (await play(desk, 3, [0.6], tmp_path, 0.6)).pruned


async def test_only_the_newest_curves_count(tmp_path: Path) -> None:
    desk = PruningDesk(Pruning(pruner="median", startup=1), "maximize")
    desk.recall([Past(Curve(((0, 9.0),)), 9.0)] * 120 + [Past(Curve(((0, 0.0),)), 0.0)] * 200)
    assert not (await play(desk, 1, [0.1], tmp_path, 0.1)).pruned
    desk.forget()
    desk.recall([Past(Curve(((0, 9.0),)), 9.0)])
    assert (await play(desk, 2, [0.1], tmp_path, 0.1)).pruned


class Endless:
    """A run that says something, and lasts until it is cancelled."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.ended = False

    async def run(self) -> str:
        with self.log.open("w") as file:
            step = 0
            try:
                while True:
                    print("LAB_CURVE", step, -step, file=file, flush=True)
                    step += 1
                    await asyncio.sleep(0.01)
            finally:
                # The end of a sandbox takes its time, and whoever is impatient waits for it.
                for _ in range(3):
                    await asyncio.sleep(0.02)
                self.ended = True


async def test_a_run_is_over_when_it_was_pruned_or_cancelled(tmp_path: Path) -> None:
    desk = PruningDesk(Pruning(pruner="patient", patience=2), "maximize")
    endless = Endless(tmp_path / "log")
    found = await desk.watch(1, 0, endless.run(), endless.log, 1 << 20)
    assert endless.ended and found.result is None
    assert isinstance(found.pruned, Pruned)
    assert found.pruned.reason == "pruned at step 3 by patient: no progress in the last 3 points"
    assert found.curve.points[-1] == (3, -3.0)

    other = Endless(tmp_path / "other")
    task = asyncio.ensure_future(PruningDesk(None, "maximize").watch(1, 0, other.run(), other.log, 1 << 20))
    while not other.log.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert other.ended


async def test_a_log_is_read_to_its_limit_and_only_a_plain_file(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def run() -> None:
        log.write_text("LAB_CURVE 1 1\nLAB_CURVE 2 2\n[8 bytes more were dropped]\n")

    desk = PruningDesk(None, "maximize")
    assert (await desk.watch(1, 0, run(), log, 27)).curve == Curve(((1, 1.0),))
    (tmp_path / "link").symlink_to(log)
    assert not (await desk.watch(1, 0, run(), tmp_path / "link", 99)).curve
    assert not (await desk.watch(1, 0, run(), tmp_path, 99)).curve


def test_each_reason_reads_well() -> None:
    from lab_plugin.pruning._study import Study
    from lab_plugin.pruning._words import pruned

    past = Past(Curve(((0, 0.1), (1, 0.5))), 0.5)
    words = {
        "median": "0.3, its best so far, is worse than the median of 1 curve there (0.5)",
        "percentile": "0.3, its best so far, is worse than the best 25 % of 1 curve there (0.5)",
        "hyperband": "0.2 is not among the best in 3 of those that came as far",
        "wilcoxon": "worse than the best idea, point by point (p below 0.1)",
    }
    curve = Curve(((0, 0.3), (1, 0.2)), out_of_order=1_200)
    for name, expected in words.items():
        rule = Pruning(pruner=name)  # type: ignore[arg-type]
        study = Study(rule, "maximize", flip=False)
        study.add(past)
        found = pruned(rule, "maximize", study, curve)
        left = "points left out: 1,200 out of order"
        assert found.reason == f"pruned at step 1 by {name}: {expected}; {left}"
        assert (found.step, found.value, found.pruner) == (1, 0.2, name)


async def test_many_long_curves_do_not_stop_the_loop() -> None:
    desk = PruningDesk(Pruning(pruner="hyperband", max_resource=500), "maximize")
    points = tuple((step, step / 500) for step in range(500))
    desk.recall(Past(Curve(points), value=0.5) for _ in range(200))
    turns, reached = 0, []

    async def turn() -> None:
        nonlocal turns
        while not reached:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        reached.append(turns)

    async with asyncio.TaskGroup() as group:
        group.create_task(turn())
        group.create_task(desk.watch(1, 0, run(), Path("/dev/null"), 100))
        # What is settled meanwhile is not lost.
        await asyncio.sleep(0)
        desk.settle(9, {0: Past(Curve(points), value=0.9)})
    assert reached[0] >= 200
