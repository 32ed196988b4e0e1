"""From `[decision]` to the rules of a decision, and noise between the ledger and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lab_plugin import decision as deciding
from lab_plugin.config import Decision, parse_amount
from lab_plugin.decision import Guard, Margin, Objective, Rules
from lab_plugin.ledger import Goal, Noise

TRIES = 200
"""Ideas that a campaign without a bound is laid out for."""


def rules_of(decision: Decision, metric: str, goal: Goal, tries: int, max_repeats: int = 0) -> Rules:
    """The rules that `[decision]` says.

    Args:
        decision: The table.
        metric: The lab's.
        goal: Which way it is better.
        tries: Ideas that the campaign is laid out for.
        max_repeats: In place of the table's; 0 for that.
    """
    return Rules(
        metric=metric,
        goal=goal,
        policy=decision.policy,
        min_improvement=margin_of(decision.min_improvement),
        confidence=decision.confidence,
        tries=tries,
        max_repeats=max_repeats or decision.max_repeats,
        detect=decision.detect,
        repeats=decision.repeats,
        bar=decision.bar,
        guards=tuple(_guards(decision)),
        simplicity=None if decision.simplicity is None else margin_of(decision.simplicity.margin),
        objectives=tuple(
            Objective(
                metric=name,
                goal=one.goal,
                margin=margin_of(one.min_improvement),
                tolerance=margin_of(one.tolerance),
            )
            for name, one in decision.objectives.items()
        ),
        tolerance=margin_of(decision.tolerance),
        tie_break=decision.tie_break or "",
    )


def as_itself(rules: Rules) -> Rules:
    """The rules for an idea that is the champion itself: it needs no repeats to be equal to it."""
    return replace(rules, policy="exact", simplicity=None, objectives=(), tie_break="", guards=())


def tries_of(decision: Decision, budget: Mapping[str, float]) -> int:
    """Ideas that a campaign is laid out for.

    Args:
        decision: `[decision]`.
        budget: The campaign's bounds.
    """
    return decision.tries or int(budget.get("iterations") or TRIES)


def margin_of(amount: float | str) -> Margin:
    """An amount of `lab.toml` as a margin."""
    return Margin(*parse_amount(amount))


def noise_of(record: Noise) -> deciding.Noise:
    """Noise as the decision takes it."""
    return deciding.Noise(
        sd=record.sd,
        df=record.df,
        origin=record.origin,
        paired_sd=record.paired_sd,
        paired_df=record.paired_df,
    )


def noise_record(noise: deciding.Noise) -> Noise:
    """Noise as the ledger keeps it."""
    return Noise(
        sd=noise.sd,
        df=noise.df,
        origin=noise.origin,
        paired_sd=noise.paired_sd,
        paired_df=noise.paired_df,
    )


def _guards(decision: Decision) -> list[Guard]:
    guards: list[Guard] = []
    for name, table in decision.guards.items():
        for bound in ("at_most", "at_least"):
            if (limit := getattr(table, bound)) is not None:
                guards.append(Guard(metric=name, kind=bound, limit=limit, shown=table.shown))
        for change in ("may_rise", "may_fall"):
            if (amount := getattr(table, change)) is not None:
                limit, relative = parse_amount(amount)
                guards.append(
                    Guard(metric=name, kind=change, limit=limit, relative=relative, shown=table.shown)
                )
    return guards
