"""Removing containers whose lab died before it could."""

from __future__ import annotations

from lab_plugin.sandbox._docker._end import remove
from lab_plugin.sandbox._docker._engine import Engine, calls
from lab_plugin.sandbox._docker._owner import LABEL, is_dead


def reap(engine: Engine) -> list[str]:
    """Remove every container of the lab whose owner is known to be dead.

    Returns:
        Their names.

    Raises:
        SandboxUnavailable: The engine failed.
    """
    with calls("list containers"):
        found = engine.client.containers(all=True, filters={"label": LABEL})
    dead = [entry for entry in found if is_dead(str((entry.get("Labels") or {}).get(LABEL, "")))]
    for entry in dead:
        remove(engine, entry["Id"])
    return [str((entry.get("Names") or ["?"])[0]).lstrip("/") for entry in dead]
