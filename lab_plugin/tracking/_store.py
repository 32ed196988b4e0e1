"""Where MLflow keeps a lab's runs, and whether it can be used right now."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from lab_plugin.errors import TrackingError
from lab_plugin.tracking._environment import SETTINGS, prepare
from lab_plugin.tracking._lock import file_lock

_CREATION_SECONDS = 180.0
_SQLITE = "sqlite:///"
_REBUILD = "Move the file away; `lab sync` then writes all of it anew from the ledger."


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store.

    Attributes:
        uri: MLflow tracking URI.
        artifacts: Where the lab's experiments keep files; empty: as the store sees fit.
        username: Whom the server knows; empty: as the environment says.
        password: Of that user; empty: as the environment says.
    """

    uri: str
    artifacts: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def embedded(cls, folder: Path) -> Store:
        """The store of this machine: SQLite at `folder/mlflow.db`, files under `folder/artifacts`.

        Touches nothing; `ensure` makes it.
        """
        root = folder.resolve()
        return cls(f"{_SQLITE}{root / 'mlflow.db'}", (root / "artifacts").as_uri())

    @property
    def database(self) -> Path | None:
        """The SQLite file, None for any other kind of store."""
        path = self.uri.removeprefix(_SQLITE)
        return None if path == self.uri or path in ("", ":memory:") else Path(path)

    @property
    def locks(self) -> Path:
        """Folder for the locks between this user's processes that write the store."""
        if self.database is not None:
            return self.database.parent
        return Path(tempfile.gettempdir()) / f"prefect-lab-{os.getuid()}"

    def ensure(self) -> None:
        """Make a SQLite store when there is none. Safe when many processes do so at once; about 4 s.

        Raises:
            TrackingError: It cannot be made.
        """
        database = self.database
        if database is None or _exists(database):
            return
        with file_lock(database.with_name(f"{database.name}.create.lock"), _CREATION_SECONDS):
            if not _exists(database):
                _create(database, self.artifacts or (database.parent / "artifacts").as_uri())

    def file(self) -> tuple[int, int] | None:
        """What tells the SQLite file from another one put in its place; None for other stores."""
        if self.database is None:
            return None
        status = self.database.stat()
        return status.st_dev, status.st_ino

    def check(self) -> None:
        """See within a few seconds whether the store can be written now; makes a missing SQLite store.

        Raises:
            TrackingError: Corrupt, locked, read-only, or its server is down.
        """
        if self.database is not None:
            self.ensure()
            _check_sqlite(self.database)
        elif urllib.parse.urlsplit(self.uri).scheme in ("http", "https"):
            _check_server(self.uri)

    def ui_command(self, port: int = 5000) -> str:
        """The shell command that opens the MLflow UI on this store, for this machine only."""
        if urllib.parse.urlsplit(self.uri).scheme in ("http", "https"):
            return shlex.join([sys.executable, "-m", "webbrowser", self.uri])
        settings = ("MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_MODEL_CATALOG_URI=")
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.uri]
        if self.artifacts:
            command += ["--default-artifact-root", self.artifacts]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--allowed-hosts", f"localhost:{port},127.0.0.1:{port}"]
        return shlex.join(["env", *settings, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", *command])


def _exists(database: Path) -> bool:
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TrackingError(f"The MLflow store {database} cannot be read: {error.strerror}.") from error


def _create(database: Path, artifacts: str) -> None:
    fresh = database.with_name(f"{database.name}.new")
    leftovers = [fresh.with_name(fresh.name + end) for end in ("", "-wal", "-shm", "-journal")]
    command = [sys.executable, "-m", "lab_plugin.tracking._create", str(fresh), artifacts]
    try:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        done = subprocess.run(
            command,
            env={**SETTINGS, **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CREATION_SECONDS,
            check=False,
        )
        if done.returncode == 0:
            os.replace(fresh, database)
            return
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    message = f"The MLflow store {database} cannot be made: {why.rstrip('.')}."
    raise TrackingError(message, f"Make {database.parent} writable, and see that its disk has space.")


def _check_sqlite(database: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=2)) as connection:
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
            connection.execute("SELECT count(*) FROM experiments").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE alembic_version SET version_num = version_num")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _explained(database, str(error)) from error


def _explained(database: Path, why: str) -> TrackingError:
    if "locked" in why or "busy" in why:
        remedy = "Close the program that holds it (`fuser` names it); the lab catches up by itself."
    elif "readonly" in why or "unable to open" in why:
        remedy = f"Make {database} and its folder writable; the lab catches up by itself."
    elif "full" in why or "I/O" in why:
        remedy = "Free space on its disk; the lab catches up by itself."
    else:
        remedy = _REBUILD
    return TrackingError(f"The MLflow store {database} cannot be used: {why}.", remedy)


def _check_server(uri: str) -> None:
    prepare()
    remedy = f"Start the MLflow server at {uri}, or name another one: MLFLOW_TRACKING_URI, or [tracking]."
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=5):  # noqa: S310 (http and https only)
            return
    except urllib.error.HTTPError as error:
        if error.code < 500:
            return
        raise TrackingError(f"The MLflow server at {uri} answers {error.code}.", remedy) from error
    except (OSError, ValueError) as error:
        raise TrackingError(f"The MLflow server at {uri} cannot be reached: {error}.", remedy) from error
