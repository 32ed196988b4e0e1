"""What a statement says of the tiers that an idea passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab_plugin.attestation._statement import Predicate, TierPart
from lab_plugin.decision import Pairs
from lab_plugin.lab import Lab
from lab_plugin.ledger import Proof, TierRecord, VerdictRecord
from lab_plugin.scorer import Terms


def tiers_of(lab: Lab, proof: Proof, record: VerdictRecord, terms: Terms) -> tuple[TierPart, ...]:
    """The results of an idea at the tiers before the last; those of the idea that a rerun goes on with.

    Args:
        lab: The lab.
        proof: Of its ledger.
        record: The verdict.
        terms: Of its epoch.
    """
    first = record
    while first.continues in proof.state.ideas:
        first = proof.state.ideas[first.continues]
    names, rules = _order(terms)[:-1], terms.rules.get("tiers", {})
    results = {
        each.tier: (position, entry.commit, each)
        for position, entry in enumerate(lab.ledger.records() if names else (), 1)
        if isinstance(each := entry.record, TierRecord)
        and (each.epoch, each.number) == (record.epoch, first.number)
    }
    return tuple(_part(*results[name], rules[name]["scorer"]) for name in names if name in results)


def tier_faults(predicate: Predicate) -> Iterator[tuple[str, Any, Any]]:
    """Where a statement and the terms in it differ about tiers: path, expected, found.

    Args:
        predicate: Of the statement.
    """
    order, rules = _order(predicate.terms), predicate.terms.rules.get("tiers", {})
    yield "predicate.score.tier", order[-1] if order else predicate.score.tier, predicate.score.tier
    names = [part.tier for part in predicate.tiers]
    yield "predicate.tiers", order[:-1], names
    if order[:-1] != names:
        return
    for at, part in enumerate(predicate.tiers):
        scorer = _table(_table(rules, part.tier), "scorer")
        here = f"predicate.tiers[{at}]"
        yield f"{here}.metric", scorer.get("metric"), part.metric
        yield f"{here}.goal", scorer.get("goal"), part.goal
        yield f"{here}.seeds", len(part.values), len(part.seeds)
        mean = Pairs(part.values, part.values).value if part.values else None
        yield f"{here}.value", mean, part.value


def _part(position: int, commit: str, result: TierRecord, scorer: Mapping[str, Any]) -> TierPart:
    return TierPart(
        tier=result.tier,
        metric=scorer["metric"],
        goal=scorer["goal"],
        value=result.value,
        seeds=result.seeds,
        values=result.values,
        sandbox=result.sandbox,
        duplicate_of=result.duplicate_of,
        record=position,
        ledger_commit=commit,
    )


def _order(terms: Terms) -> list[str]:
    """The tiers that were locked, the cheapest first; empty where none were declared."""
    order = _table(terms.rules, "tiers").get("order")
    return [str(name) for name in order] if isinstance(order, list) else []


def _table(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, Mapping) else {}
