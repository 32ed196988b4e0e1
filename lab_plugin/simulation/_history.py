"""What a lab's ledger says that is worth simulating."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from lab_plugin.errors import LabError
from lab_plugin.promotion import Goal
from lab_plugin.simulation._campaign import Result

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.ledger import VerdictRecord


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
        ideas: With a result at the last tier.
        points: Those of batches one by one.
        start: The champion's value at the start; None where there is none.
        orchestration: Wall seconds of an iteration beside candidate and scorer, the median; None where that
            is not known.
    """

    metric: str
    goal: Goal
    last: str
    ideas: tuple[PastIdea, ...]
    points: tuple[PastPoint, ...] = ()
    start: float | None = None
    orchestration: float | None = None


def read_history(lab: Lab) -> History:
    """The ideas of a lab's current epoch.

    Args:
        lab: The lab.

    Raises:
        LabError: The lab is not locked, or nothing was tried since.
        LedgerError: The ledger cannot be read.
    """
    state = lab.ledger.state()
    if state.lock is None:
        raise LabError("There is no history: the lab is not locked.", _REMEDY)
    records = [record for record in state.ideas.values() if record.epoch == state.lock.epoch]
    last = lab.config.tier
    records = sorted((record for record in records if record.tier == last), key=lambda record: record.number)
    if not records:
        raise LabError(f"There is no history: no idea of epoch {state.lock.epoch} has a verdict.", _REMEDY)
    costs = [record.orchestration_seconds for record in records if record.orchestration_seconds > 0]
    return History(
        metric=state.lock.metric,
        goal=state.lock.goal,
        last=last,
        ideas=tuple(_idea(record) for record in records),
        points=tuple(point for record in records for point in _points(record)),
        start=state.lock.value,
        orchestration=median(costs) if costs else None,
    )


_REMEDY = "Run a campaign first, or simulate a made-up one with --synthetic seconds=60."


def _idea(record: VerdictRecord) -> PastIdea:
    result = Result(record.seconds, record.value, record.value)
    return PastIdea(record.number, {record.tier: result}, record.usd)


def _points(record: VerdictRecord) -> list[PastPoint]:
    if record.points:
        return [
            PastPoint(point.params, Result(point.seconds, point.value, point.value))
            for point in record.points
        ]
    if not record.params:
        return []
    return [PastPoint(record.params, Result(record.seconds, record.value, record.value))]
