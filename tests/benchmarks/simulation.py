"""Slots in virtual time: a made-up lab of 60 s trials; a real one of sleeping trials beside its own."""

from __future__ import annotations

from statistics import mean

from lab_plugin.simulation import Costs, History, Scenario, Simulation, Synthetic, costs_of, read_history
from lab_plugin.simulation import simulate as run
from tests.benchmarks._labs import Bench, bench
from tests.benchmarks._report import figure

IDEAS = 5_000
SLOTS = (4, 16, 64, 256, 1_000)
SLEEP = 1.0
REAL = 24
WARM_UP = 4


def main() -> None:
    made_up = Synthetic(seconds=60).history(IDEAS, 0)
    costs = costs_of(made_up, None)
    told = _told(made_up, IDEAS, costs, SLOTS)
    targets = {4: "3.6", 64: "60"}
    for outcome in told.outcomes:
        slots, trace = outcome.trace.slots, outcome.trace
        what = f"{slots} slots, times one, 60 s trials"
        figure(what, told.speed(outcome), "x", against=("slots", slots), target=targets.get(slots, ""))
        figure("  the API process is busy", 100 * trace.served / trace.seconds, "%")
    free = _told(made_up, IDEAS, Costs(), (1_000,))
    figure("1,000 slots, orchestration for nothing", free.speed(free.outcomes[0]), "x")
    with bench(sleep=SLEEP) as one:
        _against_a_real_one(one)


def _against_a_real_one(one: Bench) -> None:
    """What a campaign with four slots takes, beside what is simulated from one with one slot."""
    one.lab("run", "-n", str(REAL), "-j", "1")
    lab = one.open()
    try:
        history = read_history(lab)
    finally:
        lab.close()
    one.lab("run", "-n", str(REAL), "-j", "4")
    alone, four = (_gap(one, campaign) for campaign in (1, 2))
    told = _told(history, 50 * REAL, costs_of(history, None), (4,))
    figure(
        "4 slots, times one, 1 s trials, real",
        alone / four,
        "x",
        against=("simulated", told.speed(told.outcomes[0])),
    )
    figure("a slot's time between trials, 4 slots", 1e3 * (4 * four - _busy(one, 2)), "ms", target="300")
    figure("the same, one slot", 1e3 * (alone - _busy(one, 1)), "ms", target="300")


def _busy(one: Bench, campaign: int) -> float:
    """Mean seconds of an idea's candidate and scorer."""
    return mean(verdict.seconds for verdict in one.verdicts(campaign)[WARM_UP:])


def _gap(one: Bench, campaign: int) -> float:
    """Mean seconds from one verdict to the next."""
    verdicts = one.verdicts(campaign)[WARM_UP:]
    return (verdicts[-1].campaign_seconds - verdicts[0].campaign_seconds) / (len(verdicts) - 1)


def _told(history: History, ideas: int, costs: Costs, slots: tuple[int, ...]) -> Simulation:
    return run(Scenario(history=history, ideas=ideas, costs=costs), slots)
