"""Where a simulated campaign's ideas come from: the history as it is, or a proposer with a model."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from lab_plugin.errors import SpaceExhausted
from lab_plugin.proposers import Outcome, Proposer, Request
from lab_plugin.simulation._campaign import Result
from lab_plugin.simulation._past import History
from lab_plugin.simulation._screening import Screening


class Replay:
    """The ideas of a history, as they are and in their order; gone through again where more are wanted.

    Args:
        history: With one idea or more.
        screening: Makes up the results of tiers that the history does not have.
    """

    def __init__(self, history: History, screening: Screening) -> None:
        self.usd = 0.0
        self._history = history
        self._screening = screening

    def propose(self, number: int) -> bool:
        """Take the next idea."""
        self.usd += self._history.ideas[(number - 1) % len(self._history.ideas)].usd
        return True

    def result(self, number: int, tier: str) -> Result:
        """What came of an idea, or would have come of it at a tier of the plan."""
        idea = self._history.ideas[(number - 1) % len(self._history.ideas)]
        if tier in self._screening:
            return self._screening.result(number, tier, idea.results[self._history.last])
        return idea.results[tier]

    def screened(self, number: int, tier: str, value: float) -> None:
        """Nobody learns."""

    def tell(self, number: int, value: float | None, verdict: str) -> None:
        """Nobody learns."""


class World(Protocol):
    """Says what comes of parameters."""

    def draw(self, params: Mapping[str, Any], chance: random.Random) -> Result:
        """What comes of a point at the last tier."""


class Search:
    """Ideas of a real proposer, in a world.

    The proposer is told of each result at a tier and of each verdict, as in a campaign; until then it knows
    that the point is under way. One that was not promoted has no value. To be used in a `with`.

    Args:
        proposer: Answers with parameters; knows nothing yet.
        world: Says what comes of them.
        screening: Makes up the results of tiers of the plan.
        request: What the proposer is told beside the idea's number.
        seed: Makes the world reproducible.
    """

    def __init__(
        self, proposer: Proposer, world: World, screening: Screening, request: Request, seed: int
    ) -> None:
        self.usd = 0.0
        self._proposer = proposer
        self._world = world
        self._screening = screening
        self._request = request
        self._seed = seed
        self._params: dict[int, Mapping[str, Any]] = {}
        self._last: dict[int, Result] = {}
        self._tiers: defaultdict[int, dict[str, float]] = defaultdict(dict)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Search:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.close()

    def propose(self, number: int) -> bool:
        """Ask for an idea; False when the space is exhausted."""
        from dataclasses import replace

        try:
            suggestion = self._runner.run(self._proposer.ask(replace(self._request, number=number)))
        except SpaceExhausted:
            return False
        self.usd += suggestion.usd
        self._params[number] = suggestion.points[0]
        chance = random.Random(f"{self._seed}:{number}")  # noqa: S311 -- reproducible, nothing secret
        self._last[number] = self._world.draw(suggestion.points[0], chance)
        return True

    def result(self, number: int, tier: str) -> Result:
        """What comes of an idea at a tier."""
        last = self._last[number]
        return self._screening.result(number, tier, last) if tier in self._screening else last

    def screened(self, number: int, tier: str, value: float) -> None:
        """Tell the proposer how far an idea came."""
        known = self._tiers[number]
        known[tier] = value
        told = Outcome(number=number, params=self._params[number], verdict="", waits=True, tiers=dict(known))
        self._proposer.tell(told)

    def tell(self, number: int, value: float | None, verdict: str) -> None:
        """Tell the proposer."""
        del self._last[number]
        params, known = self._params.pop(number), self._tiers.pop(number, {})
        told = Outcome(number=number, params=params, value=value, verdict=verdict, tiers=known)
        self._proposer.tell(told)


def no_request(lab: str, metric: str, goal: Any, folder: Path) -> Request:
    """What a proposer is told in a simulation.

    Args:
        lab: The lab's name.
        metric: Its metric.
        goal: Which way it is better.
        folder: An empty folder.
    """
    return Request(lab=lab, number=0, parent="", workspace=None, destination=folder, metric=metric, goal=goal)
