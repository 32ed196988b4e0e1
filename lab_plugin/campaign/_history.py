"""What a proposer is told of the past: the verdicts of the ledger, point by point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab_plugin.ledger import VerdictRecord
from lab_plugin.proposers import Outcome


def outcomes(records: Iterable[VerdictRecord], epoch: int, after: int) -> Iterator[Outcome]:
    """The outcomes of an epoch, oldest first.

    Args:
        records: In the order of the ledger.
        epoch: Scores of other epochs cannot be compared and are left out.
        after: Ideas up to this number are hidden (a campaign that starts fresh).
    """
    for record in records:
        if record.epoch == epoch and record.number > after:
            yield from outcomes_of(record)


def outcomes_of(record: VerdictRecord) -> list[Outcome]:
    """The outcomes of one verdict: one, or one per point of a batch."""
    if not record.points:
        return [
            Outcome(
                number=record.number,
                params=record.params,
                value=record.value,
                verdict=record.verdict,
                title=record.title,
                reason=record.reason,
            )
        ]
    return [
        Outcome(
            number=record.number,
            params=point.params,
            value=point.value,
            verdict=record.verdict if point.tree == record.tree else _word(point.status),
            title=record.title,
            reason=point.reason or record.reason,
        )
        for point in record.points
    ]


def _word(status: str) -> str:
    return "reverted" if status == "scored" else status
