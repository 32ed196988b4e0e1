"""Where an MLflow server shows an embedded store, for whoever asks: noted beside the store."""

from __future__ import annotations

import json
import os
import urllib.request

from lab_plugin.tracking._store import Store

_NOTE = "server.json"
_LOCAL = "http://127.0.0.1:"
# Without a proxy, whatever the environment says: it is this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def note_server(store: Store, url: str) -> None:
    """Note that a server on this machine is about to show a store.

    Args:
        store: In this user's folder.
        url: The server's address.
    """
    store.locks.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = store.locks / f".{_NOTE}-{os.getpid()}"
    partial.write_text(json.dumps({"url": url, "store": store.uri}), "ascii")
    os.replace(partial, store.locks / _NOTE)


def noted_server(store: Store) -> str | None:
    """The address that was noted last, whether it answers or not; None when there is none."""
    try:
        note = json.loads((store.locks / _NOTE).read_bytes())
        url = note["url"] if note["store"] == store.uri else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) and url.startswith(_LOCAL) else None


def served_at(store: Store) -> str | None:
    """The address of the server that was noted last and answers now; None when there is none."""
    if (url := noted_server(store)) is None:
        return None
    try:
        with _OPENER.open(f"{url}/health", timeout=2) as answer:
            return url if answer.read(8) == b"OK" else None
    except (OSError, ValueError):
        return None
