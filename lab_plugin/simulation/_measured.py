"""Tiers that a history has results of, as a plan would state them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from lab_plugin.errors import LabError
from lab_plugin.promotion import Agreement, agreement
from lab_plugin.simulation._past import History
from lab_plugin.simulation._screening import Screen


def measured(screen: Screen, history: History) -> Agreement:
    """How well a tier of the history foretells the last one, over all ideas, guessed results and all.

    Args:
        screen: A tier of `history.screens`.
        history: With its results.
    """
    pairs = []
    for idea in history.ideas:
        first, last = idea.results[screen.name].value, idea.results[history.last].value
        if first is not None and last is not None:
            pairs.append((first, last))
    return agreement(pairs, (screen.goal or history.goal, history.goal))


def stated(screens: Iterable[Screen], history: History) -> tuple[Screen, ...]:
    """The tiers with the correlation and seconds that the history shows, for ideas that it does not have.

    Args:
        screens: Of a plan, or of the history.
        history: With their results.

    Raises:
        LabError: A tier's correlation cannot be told.
    """
    found = []
    for screen in screens:
        if screen.rho is not None:
            found.append(screen)
            continue
        rho = measured(screen, history).rho
        if rho is None:
            raise LabError(
                f"How well {screen.name} foretells {history.last} cannot be told from the ledger.",
                f"State it: --tier {screen.name}:seconds=...,rho=...,promote=...",
            )
        seconds = median(idea.results[screen.name].seconds for idea in history.ideas)
        found.append(replace(screen, rho=rho, seconds=seconds, goal=None))
    return tuple(found)
