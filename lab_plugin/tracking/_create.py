"""Make a fresh SQLite store: `python -m lab_plugin.tracking._create FILE ARTIFACTS`.

In a process of its own, since MLflow's migrations change the logging of the process that runs them.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from lab_plugin.tracking._environment import prepare


def create(database: Path, artifacts: str) -> None:
    """Make the tables and the default experiment, then turn on write-ahead logging, which stays on."""
    prepare()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{database}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


if __name__ == "__main__":
    create(Path(sys.argv[1]), sys.argv[2])
