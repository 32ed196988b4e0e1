"""Rounds of one lab against one store, one at a time on the whole machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from lab_plugin.tracking._contract import (
    Artifacts,
    Curves,
    Entry,
    LedgerReader,
    Progress,
    SyncReport,
    Written,
)
from lab_plugin.tracking._drafts import is_campaign_key
from lab_plugin.tracking._experiment import Experiment, connect, reconnect
from lab_plugin.tracking._lock import file_lock
from lab_plugin.tracking._round import CHUNK, Round
from lab_plugin.tracking._runs import Found, Runs
from lab_plugin.tracking._store import Store
from lab_plugin.tracking._story import Story
from lab_plugin.tracking._survey import survey

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Mirroring:
    """Brings one lab's experiment up to its ledger; used by one thread at a time.

    Args:
        store: Where to.
        names: Of the lab: name, identity, place.
        ledger: What is mirrored.
        artifacts: Files of an idea.
        curves: Its curves.
        written: Told of each idea that MLflow has.
    """

    def __init__(
        self,
        store: Store,
        names: tuple[str, str, str],
        ledger: LedgerReader,
        artifacts: Artifacts,
        curves: Curves,
        written: Written,
    ) -> None:
        self._store = store
        self._names = names
        self._ledger = ledger
        self._sources = (artifacts, curves, written)
        self._client: MlflowClient | None = None
        self._file: tuple[int, int] | None = None
        self.forget()

    def forget(self) -> None:
        """Trust nothing that was remembered of the store; the next round looks again."""
        self._experiment: Experiment | None = None
        self._story = Story()
        self._told = 0
        self._last = ""
        self._campaigns: dict[int, str] = {}

    def catch_up(self, wait: float, given_up: Callable[[], bool]) -> SyncReport:
        """Write what the ledger has beyond the cursor.

        Args:
            wait: Seconds to wait for another process that mirrors this lab.
            given_up: Asked while waiting; True ends the wait.

        Raises:
            TrackingError: The store is unusable, or the other process did not end.
            MlflowException: MLflow failed under way.
        """
        entries = self._ledger.records()
        if not entries or entries[-1].commit == self._last:
            return SyncReport()
        with self._locked(wait, given_up):
            experiment, runs = self._open()
            cursor = experiment.cursor()
            start = _after(entries, cursor)
            if start is None:
                return self._whole(experiment, runs, entries, False, _unheard)
            steady = cursor == self._last and start == self._told
            if not steady:
                self._retell(entries[:start])
            doubtful = () if steady else {entry.commit for entry in entries[start : start + CHUNK]}

            def lookup(key: str) -> Found | None:
                return runs.find(key) if key in doubtful or is_campaign_key(key) else None

            mirror = Round(experiment, runs, self._sources, lookup, experiment.advance, {})
            return self._write(mirror, entries, start, _unheard)

    def sync(self, rebuild: bool, progress: Progress, wait: float) -> SyncReport:
        """Compare every run with the ledger, and write, complete or delete what differs.

        Raises:
            TrackingError: The store is unusable, or another process mirrors this lab.
            MlflowException: MLflow failed under way.
        """
        entries = self._ledger.records()
        with self._locked(wait, lambda: False):
            self.forget()
            experiment, runs = self._open()
            return self._whole(experiment, runs, entries, rebuild, progress)

    def experiment(self) -> str:
        """Id of the lab's experiment, made when missing.

        Raises:
            TrackingError: The store is unusable.
            MlflowException: MLflow failed.
        """
        if self._experiment is None:
            self._store.check()
            client = self._connected()
            found = Experiment.find(client, self._names[1])
            if found is not None:
                return found.identifier
            with self._locked(10, lambda: False):
                return self._open()[0].identifier
        return self._experiment.identifier

    def _locked(self, wait: float, given_up: Callable[[], bool]) -> AbstractContextManager[None]:
        name = hashlib.sha256(f"{self._store.uri}\0{self._names[1]}".encode()).hexdigest()[:16]
        return file_lock(self._store.locks / f"mirror-{name}.lock", wait, given_up)

    def _connected(self) -> MlflowClient:
        if self._client is None:
            self._client = connect(self._store)
        return self._client

    def _open(self) -> tuple[Experiment, Runs]:
        self._store.check()
        client = self._connected()
        file = self._store.file()
        if file != self._file:
            # Pooled connections would go on writing to the file that was moved away.
            reconnect(self._store)
            self.forget()
            self._file = file
        if self._experiment is None:
            self._experiment = Experiment.open(client, self._store, *self._names)
        return self._experiment, Runs(client, self._experiment.identifier)

    def _retell(self, entries: Sequence[Entry]) -> None:
        self._story, self._campaigns = Story(), {}
        for entry in entries:
            self._story.apply(entry)

    def _whole(
        self, experiment: Experiment, runs: Runs, entries: Sequence[Entry], rebuild: bool, progress: Progress
    ) -> SyncReport:
        # Until all is done no cursor is right: a sync that dies leaves runs anywhere in the ledger's order.
        experiment.advance("")
        there, surplus = survey(entries, runs.listing())
        older: dict[str, Found] = {}
        if rebuild:
            older, there = there, {}
        self._retell(())
        mirror = Round(experiment, runs, self._sources, there.get, _keep_cursor, older)
        report = self._write(mirror, entries, 0, progress)
        gone = (*surplus, *(found.run_id for found in older.values()))
        for run_id in gone:
            runs.delete(run_id)
        if entries:
            experiment.advance(entries[-1].commit)
        return replace(report, deleted=len(gone))

    def _write(self, mirror: Round, entries: Sequence[Entry], start: int, progress: Progress) -> SyncReport:
        report = mirror.write(entries, start, self._story, self._campaigns, progress)
        self._told = len(entries)
        self._last = entries[-1].commit if entries else ""
        return report


def _after(entries: Sequence[Entry], cursor: str) -> int | None:
    for index in range(len(entries) - 1, -1, -1):
        if entries[index].commit == cursor:
            return index + 1
    return None


def _unheard(done: int, total: int) -> None:
    """Nobody watches a round in the background."""


def _keep_cursor(commit: str) -> None:
    """The cursor moves once, at the end."""
