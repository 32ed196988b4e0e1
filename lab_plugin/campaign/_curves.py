"""The curves of a campaign's ideas: from their runs into the ledger, and from the ledger to the pruner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Protocol

from lab_plugin.config import CURVES
from lab_plugin.details import read_curves
from lab_plugin.lab import Lab
from lab_plugin.ledger import State, TierRecord, VerdictRecord
from lab_plugin.pruning import Curve, Past, PruningDesk
from lab_plugin.scorer import Trial

_Result = VerdictRecord | TierRecord


class _Ran(Protocol):
    @property
    def trial(self) -> Trial: ...

    @property
    def curve(self) -> Curve: ...


def open_pruning(lab: Lab) -> PruningDesk | None:
    """The desk of a tier, with what the ledger has of earlier ideas; None where no curve is read.

    Args:
        lab: The lab, as it is at the tier.

    Raises:
        LedgerError: Curves are missing from the repository, or damaged.
    """
    config = lab.config
    if config.scorer.contract != "outputs":
        return None
    desk = PruningDesk(config.pruning, config.scorer.goal, config.tier)
    if desk.prunes:
        desk.recall(_recalled(lab, lab.ledger.state()))
    return desk


def curves_of(runs: Sequence[_Ran]) -> dict[int, Curve]:
    """Curves by the index of the point; equal points share a run, and the first of them has its curve."""
    first: dict[str, tuple[int, Curve]] = {}
    for index, run in enumerate(runs):
        if run.curve:
            first.setdefault(run.trial.name, (index, run.curve))
    return dict(first.values())


def settle(desk: PruningDesk, record: _Result, curves: Mapping[int, Curve], metric: str) -> None:
    """Let the pruner see what came of an idea.

    Args:
        desk: Of the idea's tier.
        record: Its verdict, or its result at the tier.
        curves: By the index of the point.
        metric: The lab's.
    """
    drift = record.drift if isinstance(record, VerdictRecord) else None
    if drift is not None and drift.moved:
        desk.forget()
        desk.settle(record.number, {})
    else:
        desk.settle(record.number, _pasts(record, curves, metric))


def _pasts(record: _Result, curves: Mapping[int, Curve], metric: str) -> dict[int, Past]:
    return {
        index: Past(curve, *_end(record, index, metric)) for index, curve in curves.items() if curve.points
    }


def _end(record: _Result, index: int, metric: str) -> tuple[float | None, bool]:
    """The value of a point's first run, and whether it was pruned."""
    if index < len(record.points):
        point = record.points[index]
        return point.value, point.pruned is not None
    value = None if record.value is None else record.metrics.get(metric, record.value)
    return value, isinstance(record, VerdictRecord) and record.pruned is not None


def _recalled(lab: Lab, state: State) -> list[Past]:
    """The newest curves since the scores last moved, oldest first."""
    if state.lock is None:
        return []
    epoch, tier, metric = state.lock.epoch, lab.config.tier, lab.config.scorer.metric
    records = (entry.record for entry in reversed(lab.ledger.records()))
    newest_first = (
        past
        for record in records
        if isinstance(record, VerdictRecord | TierRecord)
        and (record.epoch, record.tier) == (epoch, tier)
        and record.sequence > state.moved
        and not _is_told_by_result(state, record)
        for _, past in sorted(
            _pasts(record, read_curves(lab.repository, record.details), metric).items(), reverse=True
        )
    )
    return list(islice(newest_first, CURVES))[::-1]


def _is_told_by_result(state: State, record: _Result) -> bool:
    """Whether a verdict repeats what the idea's result at the tier says: it was not promoted."""
    known = state.results.get(record.epoch, record.number, record.tier)
    return isinstance(record, VerdictRecord) and known is not None
