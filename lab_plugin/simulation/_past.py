"""What was tried, as a simulation wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab_plugin.promotion import Goal
from lab_plugin.simulation._campaign import Result
from lab_plugin.simulation._screening import Screen


@dataclass(frozen=True)
class PastIdea:
    """An idea that was tried.

    Attributes:
        number: Its number in its lab.
        results: Tier -> what came of it there.
        usd: What it cost, in US dollars.
    """

    number: int
    results: Mapping[str, Result]
    usd: float = 0.0


class PastPoint(NamedTuple):
    """Parameters that were tried at the last tier.

    Attributes:
        params: Parameter -> value.
        result: What came of them.
    """

    params: Mapping[str, Any]
    result: Result


@dataclass(frozen=True, kw_only=True)
class History:
    """Ideas in the order in which they were proposed, all of one epoch.

    Attributes:
        metric: The lab's.
        goal: Which way it is better.
        last: Name of the tier that decides.
        ideas: With a result at the last tier, and at those of `screens`.
        points: Those of batches one by one.
        start: The champion's value at the start; None where there is none.
        screens: The lab's own tiers before the last.
        guessed: Ideas whose result at the last tier is guessed, since they were not promoted.
        orchestration: Wall seconds of an iteration beside candidate and scorer, the median; None where that
            is not known.
    """

    metric: str
    goal: Goal
    last: str
    ideas: tuple[PastIdea, ...]
    points: tuple[PastPoint, ...] = ()
    start: float | None = None
    screens: tuple[Screen, ...] = ()
    guessed: int = 0
    orchestration: float | None = None
