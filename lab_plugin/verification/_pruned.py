"""Every run that was ended early, held against the curve that the ledger has of it."""

from __future__ import annotations

from collections.abc import Iterator

from lab_plugin.details import read_curves
from lab_plugin.errors import LedgerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import Point, Problem, Proof, Pruned, VerdictRecord
from lab_plugin.pruning import Curve

_REMEDY = "The record and its curve are not of one run: compare with a clone that was fetched before."


def pruned_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check that each run was ended at the end of its curve; one that another idea answers for has none."""
    for record in proof.state.ideas.values():
        told = _told(record)
        if not told or not record.details:
            continue
        try:
            curves = read_curves(lab.repository, record.details)
        except LedgerError as error:
            curves, what = {}, f"the curve of idea {record.number} cannot be read: {error.message}"
        else:
            wrong = [
                index for index, curve in curves.items() if index in told and not _ends(curve, told[index])
            ]
            if not wrong:
                continue
            what = f"idea {record.number} was not pruned at the end of its curve"
        place = proof.ideas[record.number]
        yield Problem(place.commit, what, _REMEDY, place.record, record.number)


def _told(record: VerdictRecord) -> dict[int, Pruned]:
    """Where the points of an idea were pruned, by their index."""
    points: tuple[Point | VerdictRecord, ...] = record.points or (record,)
    return {index: point.pruned for index, point in enumerate(points) if point.pruned is not None}


def _ends(curve: Curve, pruned: Pruned) -> bool:
    if pruned.value is None:
        return not curve.points or curve.points[-1][0] < pruned.step
    return curve.points[-1:] == ((pruned.step, pruned.value),)
