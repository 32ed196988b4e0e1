"""Every import, held against the rows that it keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lab_plugin.errors import LedgerError
from lab_plugin.importing import read_rows
from lab_plugin.lab import Lab
from lab_plugin.ledger import ImportRecord, Problem

_REMEDY = "Restore the objects from a clone that has them; what was imported takes part in no decision."


def import_problems(lab: Lab) -> Iterator[Problem]:
    """Check that each import's rows are those that its record counts, each of them once."""
    for entry in lab.ledger.records():
        record = entry.record
        if not isinstance(record, ImportRecord):
            continue
        try:
            keys = Counter(row.key for row in read_rows(lab.repository, record))
        except LedgerError as error:
            yield Problem(entry.commit, error.message, _REMEDY, record.sequence)
            continue
        if twice := sum(count > 1 for count in keys.values()):
            yield Problem(entry.commit, f"{twice} of its rows stand in it twice", _REMEDY, record.sequence)
