"""Removing containers whose lab died before it could."""

from __future__ import annotations

from lab_plugin.sandbox._docker._end import remove
from lab_plugin.sandbox._docker._engine import Engine, calls
from lab_plugin.sandbox._docker._owner import LABEL, is_dead


def orphan_containers(*, remove: bool) -> list[str]:
    """The containers, of all labs, whose owner is known to be dead.

    Args:
        remove: Whether to remove them.

    Returns:
        Their names.

    Raises:
        SandboxUnavailable: There is no engine, or it failed.
    """
    engine = Engine()
    try:
        return reap(engine, remove_them=remove)
    finally:
        engine.close()


def reap(engine: Engine, *, remove_them: bool = True) -> list[str]:
    """Remove every container of the lab whose owner is known to be dead.

    Args:
        engine: Where.
        remove_them: False to find them only.

    Returns:
        Their names.

    Raises:
        SandboxUnavailable: The engine failed.
    """
    with calls("list containers"):
        found = engine.client.containers(all=True, filters={"label": LABEL})
    dead = [entry for entry in found if is_dead(str((entry.get("Labels") or {}).get(LABEL, "")))]
    for entry in dead if remove_them else ():
        remove(engine, entry["Id"])
    return [str((entry.get("Names") or ["?"])[0]).lstrip("/") for entry in dead]
