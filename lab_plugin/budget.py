"""How much a campaign may spend, and whether it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Budget:
    """Upper bounds of one campaign; None means no bound.

    Attributes:
        iterations: Ideas, 0 or more.
        hours: Active wall time, in hours.
        cost_usd: US dollars, as the provider bills them.
        target: Stop when the champion is at least this good.
        plateau: Stop after this many iterations without a keep.
        crashes: Stop after this many crashes in a row.
    """

    iterations: int | None = None
    hours: float | None = None
    cost_usd: float | None = None
    target: float | None = None
    plateau: int | None = None
    crashes: int | None = 10

    def to_record(self) -> dict[str, float]:
        """The bounds that are set, for the ledger."""
        return {name: float(value) for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_record(cls, record: dict[str, float]) -> Budget:
        """The budget as the ledger has it."""
        whole = {"iterations", "plateau", "crashes"}
        values = {name: int(value) if name in whole else value for name, value in record.items()}
        return cls(**{"crashes": None, **values})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Spent:
    """What a campaign has spent, rebuilt from its ledger records.

    Attributes:
        iterations: Verdicts so far.
        seconds: Active wall seconds.
        usd: US dollars.
        crashes: Crashes in a row up to now.
        since_keep: Iterations since the last keep.
    """

    iterations: int = 0
    seconds: float = 0.0
    usd: float = 0.0
    crashes: int = 0
    since_keep: int = 0


def exhausted(
    budget: Budget,
    spent: Spent,
    champion: float,
    goal: Literal["maximize", "minimize"],
    in_flight: int = 0,
) -> str | None:
    """Say why no further iteration may start, or None when one may.

    Called before an iteration is paid for. `in_flight` iterations count as spent already, so that parallel
    slots never overrun the budget.
    """
    reached = champion_reaches(champion, budget.target, goal)
    started = spent.iterations + in_flight
    bounds = (
        (reached, f"target reached: {champion:.6g}"),
        (_over(started, budget.iterations), f"all {budget.iterations} iterations are spent"),
        (
            _over(spent.seconds / 3600, budget.hours),
            f"{budget.hours:g} hours are spent" if budget.hours is not None else "",
        ),
        (_over(spent.usd, budget.cost_usd), f"{spent.usd:.2f} US dollars are spent"),
        (_over(spent.since_keep, budget.plateau), f"plateau: {spent.since_keep} iterations without a keep"),
        (_over(spent.crashes, budget.crashes), f"{spent.crashes} crashes in a row"),
    )
    return next((reason for over, reason in bounds if over), None)


def champion_reaches(champion: float, target: float | None, goal: str) -> bool:
    """Whether the champion is at least as good as the target."""
    if target is None:
        return False
    return champion >= target if goal == "maximize" else champion <= target


def _over(spent: float, bound: float | None) -> bool:
    return bound is not None and spent >= bound
