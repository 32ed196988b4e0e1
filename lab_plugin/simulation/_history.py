"""What a lab's ledger says that is worth simulating."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from lab_plugin.errors import LabError
from lab_plugin.simulation._campaign import Result
from lab_plugin.simulation._filling import filled
from lab_plugin.simulation._past import History, PastIdea, PastPoint
from lab_plugin.simulation._screening import Screen

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.ledger import State, VerdictRecord

_REMEDY = "Run a campaign first, or simulate a made-up lab with --synthetic seconds=60."


def read_history(lab: Lab) -> History:
    """The ideas of a lab's current epoch that have a verdict.

    Args:
        lab: The lab.

    Raises:
        LabError: The lab is not locked, nothing was tried since, or too few ideas were promoted.
        LedgerError: The ledger cannot be read.
    """
    state = lab.ledger.state()
    if state.lock is None:
        raise LabError("There is no history: the lab is not locked.", _REMEDY)
    epoch = state.lock.epoch
    # A rerun goes on with an idea that stands here already.
    records = [item for item in state.ideas.values() if item.epoch == epoch and not item.continues]
    records.sort(key=lambda record: record.number)
    tiers = [tier.name for tier in lab.config.tiers]
    known = {record.number: _idea(record, state, tiers) for record in records}
    ideas = [idea for idea in known.values() if tiers[0] in idea.results]
    if not ideas:
        raise LabError(f"There is no history: no idea of epoch {epoch} has a verdict.", _REMEDY)
    costs = [record.orchestration_seconds for record in records if record.orchestration_seconds > 0]
    screening = lab.config.screening
    return History(
        metric=state.lock.metric,
        goal=state.lock.goal,
        last=tiers[-1],
        ideas=filled(ideas, tiers),
        points=tuple(
            point
            for record in records
            if record.tier == tiers[-1]
            for point in _points(record, known[record.number].results.get(tiers[-1]))
        ),
        start=state.lock.value,
        screens=tuple(
            Screen(tier.name, tier.promote, goal=tier.config.scorer.goal)
            for tier in screening
            if tier.promote
        ),
        guessed=sum(tiers[-1] not in idea.results for idea in ideas),
        orchestration=median(costs) if costs else None,
    )


def _idea(record: VerdictRecord, state: State, tiers: Sequence[str]) -> PastIdea:
    """An idea and its results; a verdict's seconds are those of all tiers together."""
    results = dict(_screened(record, state, tiers[:-1]))
    crashed = record.verdict in ("crashed", "rejected")
    if record.tier == tiers[-1] or (crashed and record.tier in tiers):
        value = record.value if record.tier == tiers[-1] else None
        seconds = max(0.0, record.seconds - sum(result.seconds for result in results.values()))
        results[record.tier] = Result(seconds, value, value)
    return PastIdea(record.number, results, record.usd)


def _screened(record: VerdictRecord, state: State, tiers: Sequence[str]) -> Iterator[tuple[str, Result]]:
    for tier in tiers:
        found = state.results.get(record.epoch, record.number, tier)
        if found is not None:
            yield tier, Result(found.seconds, found.value, found.value)


def _points(record: VerdictRecord, last: Result | None) -> list[PastPoint]:
    if record.points:
        return [
            PastPoint(point.params, Result(point.seconds, point.value, point.value))
            for point in record.points
        ]
    return [PastPoint(record.params, last)] if record.params and last is not None else []
