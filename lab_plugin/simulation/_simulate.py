"""A campaign in virtual time, for several numbers of slots."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab_plugin.config import Parameter
from lab_plugin.errors import ConfigError
from lab_plugin.promotion import Agreement, Goal, can_fire
from lab_plugin.proposers import Setup, open_proposer
from lab_plugin.scheduling import Stage
from lab_plugin.simulation._campaign import Best, VirtualCampaign
from lab_plugin.simulation._engine import Costs, Trace, run
from lab_plugin.simulation._measured import stated
from lab_plugin.simulation._no_sandbox import NoSandbox
from lab_plugin.simulation._past import History
from lab_plugin.simulation._screening import Screen, Screening, spread_of
from lab_plugin.simulation._sources import Replay, Search, World, no_request
from lab_plugin.simulation._surrogate import Surrogate
from lab_plugin.simulation._synthetic import SPACE, Synthetic

ORCHESTRATION = 0.33
"""Wall seconds of an iteration beside candidate and scorer, as measured (docs/scale.md)."""
SERIAL_SHARE = 0.9
"""How much of them the one API process is busy with, and so holds up other slots."""
MOST_IDEAS = 1_000_000
_EDITS = "command"
"""A built-in strategy that cannot be opened without a program to run."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is simulated.

    Attributes:
        history: Ideas to replay, and what a model of the lab is made of.
        screens: Tiers before the last, the cheapest first.
        ideas: How many ideas, 1 or more.
        costs: Of orchestration, for each trial.
        strategy: Makes new ideas; "" replays those of the history.
        settings: The table `[strategy]` for it.
        parameters: The search space, for a strategy.
        synthetic: The world that a strategy searches; None for a model of the history.
        seed: Makes it reproducible.
    """

    history: History
    screens: tuple[Screen, ...] = ()
    ideas: int
    costs: Costs
    strategy: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] | None = None
    synthetic: Synthetic | None = None
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of one number of slots.

    Attributes:
        trace: Where the time went.
        ideas: How many were made.
        best: Each new best idea, in virtual time.
        usd: What they cost.
    """

    trace: Trace
    ideas: int
    best: tuple[Best, ...]
    usd: float


@dataclass(frozen=True)
class Simulation:
    """What came of it all.

    Attributes:
        outcomes: In the order asked for.
        alone: With one slot.
        model: How well the model of the lab foretells left-out points; None where there is no such model.
        modelled: Points that the model is made of.
    """

    outcomes: tuple[Outcome, ...]
    alone: Outcome
    model: Agreement | None = None
    modelled: int = 0

    def speed(self, outcome: Outcome) -> float:
        """Ideas in an hour, against one slot."""
        if not outcome.trace.seconds or not self.alone.trace.seconds:
            return 1.0
        rate = outcome.ideas / outcome.trace.seconds
        return rate / (self.alone.ideas / self.alone.trace.seconds)


def simulate(scenario: Scenario, slots: Sequence[int]) -> Simulation:
    """Simulate a campaign.

    Args:
        scenario: What.
        slots: Trials at once; each is a simulation of its own.

    Raises:
        ConfigError: A number of slots is below 1, there are too few or too many ideas, a tier has the name of
            the last one, or its rule can never fire.
        ProposerError: There is no such strategy, or it cannot propose.
        LabError: The history is too short for a model of the lab.
    """
    _check(scenario, slots)
    if scenario.strategy:
        scenario = replace(scenario, screens=stated(scenario.screens, scenario.history))
    world = _world(scenario)
    stages = _stages(scenario)
    found = {count: _once(scenario, world, stages, count) for count in sorted({1, *slots})}
    model = world if isinstance(world, Surrogate) else None
    return Simulation(
        tuple(found[count] for count in slots),
        found[1],
        model.agreement if model else None,
        model.scored if model else 0,
    )


def costs_of(history: History, overhead: float | None) -> Costs:
    """What orchestration costs.

    Args:
        history: Its ledger may tell.
        overhead: Seconds of an iteration beside candidate and scorer; None for the ledger's, or else those
            measured for docs/scale.md.

    Raises:
        ConfigError: It is negative or not finite.
    """
    if overhead is not None and not 0 <= overhead < math.inf:
        raise ConfigError("--overhead-ms: orchestration takes 0 ms or more, and ends.")
    if overhead is None:
        overhead = ORCHESTRATION if history.orchestration is None else history.orchestration
    return Costs(serial=SERIAL_SHARE * overhead, parallel=(1 - SERIAL_SHARE) * overhead)


def _check(scenario: Scenario, slots: Sequence[int]) -> None:
    if not slots or min(slots) < 1:
        raise ConfigError("--jobs: a campaign has 1 slot or more.", "Such as --jobs 1,4,16.")
    if not 1 <= scenario.ideas <= MOST_IDEAS:
        raise ConfigError(f"-n: a simulated campaign has 1 idea or more, and at most {MOST_IDEAS:,}.")
    names = {screen.name for screen in scenario.screens}
    if scenario.history.last in names:
        raise ConfigError(
            f"--tier {scenario.history.last}: that is the name of the last tier.", "Choose another."
        )
    for screen in scenario.screens:
        why = can_fire(screen.promote, scenario.ideas, None, screen.goal or scenario.history.goal)
        if why:
            raise ConfigError(f"tier {screen.name}: nothing would ever go on: {why}.", "Correct `promote`.")


def _stages(scenario: Scenario) -> tuple[Stage, ...]:
    goal: Goal = scenario.history.goal
    screens = (Stage(screen.name, screen.promote, screen.goal or goal) for screen in scenario.screens)
    return (*screens, Stage(scenario.history.last, None, goal))


def _world(scenario: Scenario) -> World | None:
    if not scenario.strategy:
        return None
    if scenario.synthetic is not None:
        return scenario.synthetic
    if not scenario.parameters:
        raise ConfigError(
            "--strategy: the lab has no search space, and what an edit is worth cannot be foretold.",
            "Leave --strategy out to replay the ideas as they are.",
        )
    return Surrogate(scenario.history.points, scenario.parameters)


def _once(scenario: Scenario, world: World | None, stages: Sequence[Stage], slots: int) -> Outcome:
    with _source(scenario, world) as source:
        campaign = VirtualCampaign(stages, source, scenario.ideas, scenario.history.start)
        trace = run(campaign, slots, scenario.costs)
    return Outcome(trace, campaign.made, tuple(campaign.best), source.usd)


@contextmanager
def _source(scenario: Scenario, world: World | None) -> Iterator[Replay | Search]:
    values = [point.result.quality for point in scenario.history.points]
    if not values:
        values = [idea.results[scenario.history.last].quality for idea in scenario.history.ideas]
    spread = spread_of(value for value in values if value is not None)
    screening = Screening(scenario.screens, spread, scenario.seed)
    if world is None:
        yield Replay(scenario.history, screening)
        return
    history = scenario.history
    space = SPACE if scenario.synthetic is not None else scenario.parameters or {}
    setup = Setup(
        settings=scenario.settings,
        space=space,
        goal=history.goal,
        sandbox=NoSandbox(),
        seed=scenario.seed,
        tiers={stage.name: stage.goal for stage in _stages(scenario)[:-1]},
    )
    proposer = None if scenario.strategy == _EDITS else open_proposer(scenario.strategy, setup)
    if proposer is None or proposer.edits:
        raise ConfigError(
            f"--strategy {scenario.strategy}: it makes edits, and what an edit is worth cannot be foretold.",
            "Name a strategy that chooses parameters, such as tpe.",
        )
    with tempfile.TemporaryDirectory(prefix="lab-simulate-") as folder:
        request = no_request("simulation", history.metric, history.goal, Path(folder))
        with Search(proposer, world, screening, request, scenario.seed) as search:
            yield search
