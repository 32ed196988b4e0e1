"""Virtual time: slots that hold trials, and one API process that serves them one after the other."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Trial(NamedTuple):
    """What a slot holds.

    Attributes:
        number: The idea's.
        tier: Name of the tier.
        seconds: How long candidate and scorer take, 0 or more.
    """

    number: int
    tier: str
    seconds: float


class Work(Protocol):
    """What there is to do. Called in the order of virtual time."""

    def take(self) -> Trial | None:
        """The next trial; None when none can start now."""

    def over(self, trial: Trial, now: float) -> Trial | None:
        """A trial's result counts.

        Returns:
            What the same slot goes on with at once; None when it is free.
        """

    def settle(self) -> bool:
        """Nothing runs and nothing can start: whether that makes something ready."""


@dataclass(frozen=True)
class Costs:
    """Orchestration of one trial, in seconds, 0 or more.

    Attributes:
        serial: At the API process, which serves all slots one after the other: half of it before the trial
            and half for its verdict.
        parallel: Holds up nobody but its own slot.
    """

    serial: float = 0.0
    parallel: float = 0.0


@dataclass(frozen=True)
class Trace:
    """What came of it.

    Attributes:
        slots: How many there were.
        seconds: Virtual time until the last result.
        trials: Tier -> results.
        busy: Tier -> seconds that candidates and scorers took.
        occupied: Seconds that slots were taken, candidates, orchestration and waiting for it together.
        served: Seconds that the API process was busy.
    """

    slots: int
    seconds: float
    trials: Mapping[str, int]
    busy: Mapping[str, float]
    occupied: float
    served: float


class _Server:
    """Serves in the order of asking; to be asked in the order of time."""

    def __init__(self) -> None:
        self.busy = 0.0
        self._free = 0.0

    def serve(self, now: float, cost: float) -> float:
        """When it is done with what is asked for now."""
        self.busy += cost
        self._free = max(self._free, now) + cost
        return self._free


class _Event(NamedTuple):
    at: float
    order: int
    over: bool
    taken: float
    trial: Trial


def run(work: Work, slots: int, costs: Costs) -> Trace:
    """Do all the work in virtual time.

    A slot is taken while its trial asks the API, runs, and asks the API for its verdict. Events of one
    moment happen in the order in which they were caused, so that the same work gives the same trace.

    Args:
        work: What there is to do.
        slots: Trials at once, 1 or more.
        costs: Of orchestration.
    """
    events: list[_Event] = []
    server, free, order, now, occupied = _Server(), slots, 0, 0.0, 0.0
    trials: defaultdict[str, int] = defaultdict(int)
    busy: defaultdict[str, float] = defaultdict(float)

    def push(at: float, taken: float, trial: Trial, *, over: bool) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, _Event(at, order, over, taken, trial))

    def begin(trial: Trial) -> None:
        ready = server.serve(now, costs.serial / 2) + costs.parallel
        push(ready + trial.seconds, now, trial, over=False)

    while True:
        while free and (found := work.take()) is not None:
            free -= 1
            begin(found)
        if not events:
            if work.settle():
                continue
            return Trace(slots, now, dict(trials), dict(busy), occupied, server.busy)
        event = heapq.heappop(events)
        now, trial = event.at, event.trial
        if not event.over:
            push(server.serve(now, costs.serial / 2), event.taken, trial, over=True)
            continue
        trials[trial.tier] += 1
        busy[trial.tier] += trial.seconds
        occupied += now - event.taken
        further = work.over(trial, now)
        if further is None:
            free += 1
        else:
            begin(further)
