"""Finding a lab's pages in the MLflow UI without importing MLflow, which takes seconds."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import urllib.parse
import urllib.request
from contextlib import closing
from typing import Any

from lab_plugin.tracking._names import CURSOR, IDENTITY
from lab_plugin.tracking._store import Store
from lab_plugin.tracking._view import links

_PORT = 5000
_SECONDS = 2
_ANSWER_BYTES = 1 << 20
_FIND = (
    "SELECT experiments.experiment_id FROM experiments JOIN experiment_tags USING (experiment_id) "
    "WHERE key = ? AND value = ? AND lifecycle_stage = 'active'"
)
_TAG = "SELECT value FROM experiment_tags WHERE experiment_id = ? AND key = ?"


def leaderboard_url(store: Store, identity: str) -> str | None:
    """Address of a lab's leaderboard in the UI; of the embedded store, behind `Store.ui_command`.

    Args:
        store: Where the lab is mirrored.
        identity: The lab's.

    Returns:
        None where the store does not know the lab yet, or does not answer within two seconds.
    """
    try:
        if store.database is not None:
            return _url(f"http://127.0.0.1:{_PORT}", _in_sqlite(store, identity))
        if urllib.parse.urlsplit(store.uri).scheme in ("http", "https"):
            return _url(store.uri.rstrip("/"), _at_server(store, identity))
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError):
        return None
    return None


def mirrored_up_to(store: Store, identity: str) -> str | None:
    """The ledger commit up to which a lab is mirrored; "" where nothing is, or a `lab sync` died under way.

    Args:
        store: Where the lab is mirrored.
        identity: The lab's.

    Returns:
        None where the store does not know the lab yet, or does not answer within two seconds.
    """
    try:
        if store.database is not None:
            experiment = _in_sqlite(store, identity)
            return None if experiment is None else _tag_in_sqlite(store, experiment, CURSOR)
        if urllib.parse.urlsplit(store.uri).scheme in ("http", "https"):
            found = _ask_server(store, identity)
            tags = found[0].get("tags", []) if found else None
            if tags is None:
                return None
            return next((str(tag["value"]) for tag in tags if tag["key"] == CURSOR), "")
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError):
        return None
    return None


def _tag_in_sqlite(store: Store, experiment: str, key: str) -> str:
    assert store.database is not None
    with closing(sqlite3.connect(f"{store.database.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
        row = connection.execute(_TAG, (experiment, key)).fetchone()
    return "" if row is None else str(row[0])


def _url(address: str, experiment: str | None) -> str | None:
    return None if experiment is None else address + links(experiment).leaderboard


def _in_sqlite(store: Store, identity: str) -> str | None:
    assert store.database is not None
    with closing(sqlite3.connect(f"{store.database.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
        row = connection.execute(_FIND, (IDENTITY, identity)).fetchone()
    return None if row is None else str(row[0])


def _at_server(store: Store, identity: str) -> str | None:
    found = _ask_server(store, identity)
    return str(found[0]["experiment_id"]) if found else None


def _ask_server(store: Store, identity: str) -> list[dict[str, Any]]:
    asked = {"filter": f"tags.`{IDENTITY}` = '{identity}'", "max_results": 1}
    request = urllib.request.Request(  # noqa: S310 - http and https only
        f"{store.uri.rstrip('/')}/api/2.0/mlflow/experiments/search",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json", **_credential(store)},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - http and https only
        found: list[dict[str, Any]] = json.loads(answer.read(_ANSWER_BYTES)).get("experiments", [])
    return found


def _credential(store: Store) -> dict[str, str]:
    """What MLflow's own client would send."""
    username = store.username or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = store.password or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if not (username and password):
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"}
