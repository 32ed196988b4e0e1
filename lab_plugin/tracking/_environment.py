"""MLflow's process-wide settings, made before its import, and its noise, kept off the user's terminal."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
_SOURCES = ("alembic", "mlflow", "sqlalchemy", "urllib3")
_NOISY = ("alembic.runtime.migration", "urllib3.connectionpool", "mlflow.store.db.utils")


def prepare(username: str = "", password: str = "") -> None:
    """Set what the user has not set. To be called before `mlflow` is imported.

    Args:
        username: Takes the place of the user's own; MLflow has no other way in for it than the environment.
        password: The same.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    given = {"MLFLOW_TRACKING_USERNAME": username, "MLFLOW_TRACKING_PASSWORD": password}
    os.environ.update({name: value for name, value in given.items() if value})


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what MLflow logs on this thread; the mirror says once, in its own words, what is wrong."""
    thread = threading.get_ident()

    # Handlers may be shared with other loggers, so the record's own name counts.
    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread or record.name.partition(".")[0] not in _SOURCES

    places: list[logging.Filterer] = [logging.getLogger(name) for name in _NOISY]
    places += logging.getLogger("mlflow").handlers
    for place in places:
        place.addFilter(elsewhere)
    try:
        yield
    finally:
        for place in places:
            place.removeFilter(elsewhere)
