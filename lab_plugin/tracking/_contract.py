"""What the mirror needs of the rest of the lab, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab_plugin.ledger._records import ImportRecord, Record, VerdictRecord
from lab_plugin.pruning import Curve

Artifacts = Callable[[VerdictRecord | ImportRecord], Mapping[str, bytes | Path]]
"""Files of an idea or an import: name below the run's artifacts (POSIX, relative) -> content, or the file to
copy. Called on the mirror's thread. What it raises, and files that are gone, cost that run its files only."""

Curves = Callable[[VerdictRecord], Mapping[int, Curve]]
"""Curves of an idea's runs, by the index of the point. Called on the mirror's thread. What it raises costs
the idea its curves only."""

Written = Callable[[VerdictRecord], None]
"""Told, on the mirror's thread, that MLflow has an idea and its files. May be told twice of one idea."""

Progress = Callable[[int, int], None]
"""Told (records done, records in all) while `Mirror.sync` works."""


class Entry(Protocol):
    """One record of the ledger and the commit that carries it."""

    @property
    def commit(self) -> str:
        """Object id of the ledger commit."""

    @property
    def record(self) -> Record:
        """What it says."""


class LedgerReader(Protocol):
    """The part of the ledger that the mirror reads, from its own thread."""

    def records(self) -> Sequence[Entry]:
        """All entries, oldest first."""


@dataclass(frozen=True)
class SyncReport:
    """What one `Mirror.sync` did, in runs for ideas and baselines.

    Attributes:
        written: Written or completed now.
        already: Were there.
        deleted: Removed, since the ledger does not know them or they stood there twice.
        failed: Refused by MLflow; the log says why.
    """

    written: int = 0
    already: int = 0
    deleted: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Links:
    """Where a lab stands in the MLflow UI.

    Attributes:
        experiment_id: The lab's experiment.
        experiment: Path of its runs in the UI; put the UI's address before it.
        leaderboard: Path of its ready-made table.
    """

    experiment_id: str
    experiment: str
    leaderboard: str
