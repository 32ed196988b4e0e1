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
    partial = store.locks / f".{_NOTE}-{os.getpid()}"
    partial.write_text(json.dumps({"url": url}), "ascii")
    os.replace(partial, store.locks / _NOTE)


def served_at(store: Store) -> str | None:
    """The address of the server that was noted last and answers now; None when there is none."""
    if store.database is None:
        return None
    try:
        url = json.loads((store.locks / _NOTE).read_bytes())["url"]
        if not isinstance(url, str) or not url.startswith(_LOCAL):
            return None
        with _OPENER.open(f"{url}/health", timeout=2) as answer:
            return url if answer.read(8) == b"OK" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
