"""The mirror of one lab: a background thread that nobody waits for, and `sync` for who asks."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from lab_plugin.errors import LabError, TrackingError
from lab_plugin.ledger._records import ImportRecord, VerdictRecord
from lab_plugin.pruning import Curve
from lab_plugin.tracking._contract import (
    Artifacts,
    Curves,
    LedgerReader,
    Links,
    Progress,
    SyncReport,
    Written,
)
from lab_plugin.tracking._environment import quiet
from lab_plugin.tracking._lock import Busy
from lab_plugin.tracking._mirroring import Mirroring
from lab_plugin.tracking._store import Store
from lab_plugin.tracking._view import links

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_BUSY_SECONDS = 5.0
# A round for several ideas costs little more than a round for one, and takes turns with the campaign less.
_GATHER_SECONDS = 5.0
_SYNC_WAIT = 60.0
_log = logging.getLogger("lab_plugin.tracking")


def _no_files(record: VerdictRecord | ImportRecord) -> Mapping[str, bytes | Path]:
    return {}


def _no_curves(record: VerdictRecord) -> Mapping[int, Curve]:
    return {}


def _untold(record: VerdictRecord) -> None:
    """Nobody asked to be told."""


class Mirror:
    """Shows one lab's ledger in MLflow.

    `start`, `notify` and `close` never raise and never wait for MLflow (`close` no longer than it is told).
    While the store is unusable the mirror says so once, tries again after 1 s, 2 s, ... 60 s, and then writes
    all that it missed; what is not mirrored when the process ends is taken up by the next mirror of the lab.

    Args:
        store: Where to.
        lab: The lab's name; the experiment's name where no other lab has taken it.
        identity: Tells this lab, in this repository, from others of its name: letters, digits, `-`, `_`, `.`.
        ledger: Read from the mirror's thread.
        artifacts: Files of an idea or an import.
        written: Told of each idea that MLflow has.
        place: The repository's name, put behind the lab's name where that is taken.
        curves: Curves of an idea's runs.
    """

    def __init__(
        self,
        store: Store,
        lab: str,
        identity: str,
        ledger: LedgerReader,
        artifacts: Artifacts = _no_files,
        written: Written = _untold,
        place: str = "",
        curves: Curves = _no_curves,
    ) -> None:
        if not re.fullmatch(r"[\w.-]+", identity):
            raise ValueError(f"{identity!r} is no identity for a lab")
        self._parts = (store, (lab, identity, place), ledger, artifacts, curves, written)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._behind = False
        self._patience = 0.0
        self._warned = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow the ledger; MLflow is imported only when `notify` is called first."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._follow, name="lab-mirror", daemon=True)
            self._thread.start()

    def notify(self) -> None:
        """Tell that the ledger has grown. Costs microseconds."""
        self._behind = True
        self._wake.set()

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is left, and stop.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            True when MLflow has all that was notified.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            self._patience = timeout
            self._stop.set()
            self._wake.set()
            thread.join(timeout)
        return not self._behind and not (thread and thread.is_alive())

    def sync(self, rebuild: bool = False, progress: Progress | None = None) -> SyncReport:
        """Bring MLflow up to the ledger, now and on this thread: `lab sync`. Idempotent.

        Args:
            rebuild: Write all runs again from the ledger, with the files that MLflow has, and delete the old.
            progress: Told how far it is.

        Raises:
            TrackingError: The store is unusable, or another process mirrors this lab.
        """
        mirroring = Mirroring(*self._parts)
        with quiet():
            try:
                return mirroring.sync(rebuild, progress or (lambda done, total: None), _SYNC_WAIT)
            except LabError:
                raise
            except Exception as error:
                raise _unusable(self._parts[0], error) from error

    def links(self) -> Links:
        """Where the lab stands in the MLflow UI; imports MLflow (2 s) in a fresh process.

        Raises:
            TrackingError: The store is unusable.
        """
        with quiet():
            try:
                return links(Mirroring(*self._parts).experiment())
            except LabError:
                raise
            except Exception as error:
                raise _unusable(self._parts[0], error) from error

    def _follow(self) -> None:
        mirroring = Mirroring(*self._parts)
        pause = _FIRST_PAUSE
        while True:
            self._wake.wait()
            self._stop.wait(_GATHER_SECONDS)
            self._wake.clear()
            last = self._stop.is_set()
            wait = self._patience if last else _BUSY_SECONDS
            if not self._behind or self._round(mirroring, wait, quit_early=not last):
                pause = _FIRST_PAUSE
            elif not last:
                self._stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._wake.set()
            if last:
                return

    def _round(self, mirroring: Mirroring, wait: float, quit_early: bool) -> bool:
        self._behind = False
        try:
            with quiet():
                mirroring.catch_up(wait, lambda: quit_early and self._stop.is_set())
        except Exception as error:  # noqa: BLE001 (no trouble with MLflow may reach a campaign)
            mirroring.forget()
            self._behind = True
            if not (isinstance(error, Busy) and quit_early):
                self._complain(error)
            return False
        if self._warned:
            self._warned = False
            _log.info("MLflow works again and has caught up with the ledger.")
        return True

    def _complain(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            trouble = error if isinstance(error, LabError) else _unusable(self._parts[0], error)
            _log.warning("%s\nThe campaign goes on; MLflow is caught up later, or by `lab sync`.", trouble)


def _unusable(store: Store, error: Exception) -> TrackingError:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return TrackingError(
        f"MLflow failed on {store.uri}: {text}",
        "Run `lab sync` when it works again; the ledger in git has everything.",
    )
