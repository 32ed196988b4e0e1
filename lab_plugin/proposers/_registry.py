"""From a strategy's name to its proposer; built in, or from an installed distribution."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from lab_plugin.errors import LabError, ProposerError
from lab_plugin.proposers._command import command_proposer
from lab_plugin.proposers._contract import Proposer, Setup
from lab_plugin.proposers._sampling import random_proposer, tpe_proposer

GROUP = "lab_plugin.proposers"

_BUILT_IN: Mapping[str, Callable[[Setup], Proposer]] = {
    "command": command_proposer,
    "random": random_proposer,
    "tpe": tpe_proposer,
}


def open_proposer(name: str, setup: Setup) -> Proposer:
    """Make the proposer of a strategy.

    Args:
        name: A built-in name, or one that an installed distribution offers in the entry-point group
            `lab_plugin.proposers`. Built-in names cannot be taken over.
        setup: For the factory.

    Raises:
        ProposerError: The name is unknown or ambiguous, the plug-in is broken, or the settings are wrong.
    """
    built_in = _BUILT_IN.get(name)
    return built_in(setup) if built_in else _open_plugin(name, setup)


def _open_plugin(name: str, setup: Setup) -> Proposer:
    offers = entry_points(group=GROUP)
    found = {(point.value, _origin(point)): point for point in offers if point.name == name}
    if not found:
        raise _unknown(name, {*_BUILT_IN, *(point.name for point in offers)})
    if len(found) > 1:
        origins = ", ".join(sorted(origin for _, origin in found))
        raise ProposerError(f"strategy {name!r} is offered by more than one distribution: {origins}")
    [point] = found.values()
    try:
        proposer = point.load()(setup)
    except LabError:
        raise
    except Exception as error:
        raise ProposerError(
            f"strategy {name!r} of {_origin(point)} cannot be opened: {type(error).__name__}: {error}",
            f"Repair or remove that distribution ({point.value}), or choose another strategy.",
        ) from error
    if not isinstance(proposer, Proposer):
        raise ProposerError(
            f"strategy {name!r} of {_origin(point)} is no proposer: {point.value} made a "
            f"{type(proposer).__name__} without name, edits, ask and tell"
        )
    return proposer


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed distribution"


def _unknown(name: str, known: set[str]) -> ProposerError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return ProposerError(
        f"[strategy] name: there is no strategy {name!r}; known are {', '.join(sorted(known))}",
        f"{hint}Correct the name, or install the distribution that offers it.",
    )
