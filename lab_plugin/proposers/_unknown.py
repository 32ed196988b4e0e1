"""Settings of `[strategy]` that a strategy does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from lab_plugin.config import Strategy
from lab_plugin.errors import UnknownSettings

_COMMON = tuple(name for name in Strategy.model_fields if name != "settings")
"""What every `[strategy]` may hold, which a misspelt setting may have been meant to be."""


def refuse_unknown(strategy: str, settings: Mapping[str, Any], known: Iterable[str] = ()) -> None:
    """See that a strategy has all of its settings.

    Args:
        strategy: Its name.
        settings: As written.
        known: Names of those that it has.

    Raises:
        UnknownSettings: It has not; all that are unknown are named, each with the nearest known one.
    """
    names = (*known, *_COMMON)
    unknown = [name for name in settings if name not in names]
    if unknown:
        faults = {name: _told(strategy, name, names) for name in unknown}
        raise UnknownSettings(faults, f"Correct or remove them; [strategy] has {', '.join(names)} here.")


def _told(strategy: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f"strategy.{name}: strategy '{strategy}' has no such setting{hint}"
