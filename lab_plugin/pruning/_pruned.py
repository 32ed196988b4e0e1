"""What a pruner says of a run."""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.pruning._curve import Curve

DIVERGED = "diverged"
"""Stands for the pruner where a value was NaN or infinite."""


@dataclass(frozen=True)
class Pruned:
    """A run was ended for its curve.

    Attributes:
        step: At which.
        value: The curve's there; None when it was not finite.
        pruner: By its name, or `DIVERGED`.
        reason: In words, one line.
    """

    step: int
    value: float | None
    pruner: str
    reason: str


@dataclass(frozen=True)
class Past:
    """An earlier run with a curve.

    Attributes:
        curve: Of it.
        value: Its score; None when it has none.
        pruned: Whether it was ended for its curve.
    """

    curve: Curve
    value: float | None = None
    pruned: bool = False
