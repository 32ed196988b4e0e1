"""Addresses as they may be shown and kept."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit


def shown_address(where: str) -> str:
    """A file by its name, an address without user, password and query."""
    if "://" not in where:
        return Path(where).name
    parts = urlsplit(where)
    if parts.scheme == "file" or parts.scheme.startswith("sqlite"):
        return Path(parts.path).name
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
