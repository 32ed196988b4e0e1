"""What a simulation says: a document, and sentences for people."""

from __future__ import annotations

from typing import Any

from lab_plugin.simulation._campaign import Best
from lab_plugin.simulation._measured import stated
from lab_plugin.simulation._screening import Screen
from lab_plugin.simulation._simulate import Outcome, Scenario, Simulation

_HOUR = 3600.0
_IDLE = 0.2


def document(scenario: Scenario, simulation: Simulation) -> dict[str, Any]:
    """All of it, as plain JSON values.

    Args:
        scenario: What was simulated.
        simulation: What came of it.
    """
    model = simulation.model
    return {
        "metric": scenario.history.metric,
        "goal": scenario.history.goal,
        "strategy": scenario.strategy or None,
        "synthetic": scenario.synthetic is not None,
        "orchestration": {
            "serial_seconds": scenario.costs.serial,
            "parallel_seconds": scenario.costs.parallel,
        },
        "saturates_at": saturation(scenario, simulation),
        "model": None
        if model is None
        else {"points": simulation.modelled, "rho": model.rho, "low": model.low, "high": model.high},
        "runs": [_run(simulation, outcome) for outcome in simulation.outcomes],
        "notes": notes(scenario, simulation),
    }


def saturation(scenario: Scenario, simulation: Simulation) -> float | None:
    """Slots beyond which the API process limits; None where it takes no time."""
    if not scenario.costs.serial:
        return None
    return _seconds_alone(simulation) / scenario.costs.serial


def best_at(outcome: Outcome, seconds: float) -> Best | None:
    """The best idea by some virtual time; None before the first keep."""
    return next((best for best in reversed(outcome.best) if best.seconds <= seconds), None)


def notes(scenario: Scenario, simulation: Simulation) -> list[str]:
    """Sentences that say how far the figures can be trusted, and what limits."""
    return [
        _speed(simulation),
        _limit(scenario, simulation),
        *_idle(simulation),
        *_origins(scenario),
        *_model(scenario, simulation),
    ]


def _run(simulation: Simulation, outcome: Outcome) -> dict[str, Any]:
    trace = outcome.trace
    whole = trace.slots * trace.seconds or 1.0
    candidates = sum(trace.busy.values())
    return {
        "slots": trace.slots,
        "ideas": outcome.ideas,
        "hours": trace.seconds / _HOUR,
        "times_one_slot": simulation.speed(outcome),
        "candidate_share": candidates / whole,
        "orchestration_share": (trace.occupied - candidates) / whole,
        "idle_share": max(0.0, 1 - trace.occupied / whole),
        "api_share": trace.served / (trace.seconds or 1.0),
        "tiers": {
            tier: {"trials": count, "candidate_hours": trace.busy[tier] / _HOUR}
            for tier, count in trace.trials.items()
        },
        "usd": outcome.usd,
        "best": [
            {"hours": best.seconds / _HOUR, "idea": best.number, "quality": best.quality}
            for best in outcome.best
        ],
    }


def _seconds_alone(simulation: Simulation) -> float:
    """Of one trial and its orchestration, with nobody else there."""
    trace = simulation.alone.trace
    return trace.seconds / (sum(trace.trials.values()) or 1)


def _speed(simulation: Simulation) -> str:
    most = max(simulation.outcomes, key=simulation.speed)
    ideas, slots = most.ideas, most.trace.slots
    return (
        f"{_count(slots, 'slot')} {'tries' if slots == 1 else 'try'} {_count(ideas, 'idea')} in "
        f"{most.trace.seconds / _HOUR:.3g} h, {simulation.speed(most):.1f} times as fast as one slot."
    )


def _limit(scenario: Scenario, simulation: Simulation) -> str:
    costs, limit = scenario.costs, saturation(scenario, simulation)
    if limit is None:
        return "Orchestration is taken to cost nothing."
    return (
        f"Each trial keeps the one API process busy for {1e3 * costs.serial:.0f} ms, so that it serves "
        f"{1 / costs.serial:.3g} trials a second: more than about {limit:.0f} slots with trials of "
        f"{_seconds_alone(simulation):.3g} s wait for it."
    )


def _idle(simulation: Simulation) -> list[str]:
    worst = max(simulation.outcomes, key=lambda outcome: outcome.trace.slots)
    trace = worst.trace
    idle = 1 - trace.occupied / (trace.slots * trace.seconds) if trace.seconds else 0.0
    if idle < _IDLE:
        return []
    return [
        f"With {_count(trace.slots, 'slot')}, slots are idle for {100 * idle:.0f} % of the time: too few "
        "ideas are left for them, at the end or while a tier waits for more results."
    ]


def _origins(scenario: Scenario) -> list[str]:
    found = []
    history, known = scenario.history, len(scenario.history.ideas)
    if scenario.synthetic is not None:
        found.append(
            "The lab is made up: random ideas have mean 0 and standard deviation 1, higher is better."
        )
    elif not scenario.strategy and scenario.ideas > known:
        found.append(f"The ledger has {_count(known, 'idea')}, which are gone through again and again.")
    if history.guessed and not scenario.strategy:
        found.append(
            f"{_count(history.guessed, 'idea')} never came to {history.last}; the results there are guessed "
            "from the tier before."
        )
    return found + [_screened(scenario, screen) for screen in scenario.screens]


def _screened(scenario: Scenario, screen: Screen) -> str:
    last, rho = scenario.history.last, screen.rho
    if rho is None and not scenario.strategy:
        return f"Values at {screen.name} are those of the ledger."
    if rho is None:
        [rho] = (shown.rho for shown in stated([screen], scenario.history))
    origin = "as in the ledger" if screen.rho is None else "as stated"
    return (
        f"Values at {screen.name} are made up, with a rank correlation of {rho:.2g} to those at {last}, "
        f"{origin}."
    )


def _model(scenario: Scenario, simulation: Simulation) -> list[str]:
    model = simulation.model
    if model is None:
        return []
    guess = (
        "not at all"
        if model.rho is None
        else (
            f"with a rank correlation of {model.rho:.2f} (95 % interval {model.low:.2f} to {model.high:.2f})"
        )
    )
    found = (
        f"What {scenario.strategy} finds is a model's answer, not the lab's: the nearest of "
        f"{simulation.modelled} scored points, which foretell each other {guess}. "
        "It can find nothing better than what was scored already"
    )
    weak = model.rho is None or model.low < model.floor
    return [f"{found}, and foretells too little to compare strategies by." if weak else f"{found}."]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
