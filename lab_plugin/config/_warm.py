"""`candidate.warm`: modules that are imported ahead, and what they need of the other keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from lab_plugin.config._fields import check_unique
from lab_plugin.sandbox import is_warmable
from lab_plugin.toml import Place

_PLACE = ("candidate", "warm")
_COLD = ("docker", "process")


def _check_modules(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f'"{name}" is no name of a module, such as "numpy" or "scipy.stats"')
    return check_unique(names)


Modules = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_modules)]


def check_warm(values: Callable[[str, str], object]) -> Iterator[tuple[Place, str]]:
    """Find what keeps a candidate from running in a fork of a warm interpreter.

    Args:
        values: Gives the value of a key of a table; None when it is absent or has a fault.
    """
    if not values(*_PLACE):
        return
    command = values("candidate", "command")
    if isinstance(command, list | tuple) and not is_warmable(command):
        yield (
            _PLACE,
            "candidate.warm: candidate.command must then be `python SCRIPT.py ...` or `python -m MODULE ...`",
        )
    if values("candidate", "network"):
        yield _PLACE, "candidate.warm: cannot be had together with candidate.network"
    kind = values("sandbox", "kind")
    if kind in _COLD:
        yield _PLACE, f'candidate.warm: the sandbox "{kind}" keeps no interpreter; only "bubblewrap" does'
