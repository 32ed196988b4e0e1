"""The time as the ledger writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> str:
    """UTC now, ISO 8601 with seconds: `2026-01-31T04:05:06Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
