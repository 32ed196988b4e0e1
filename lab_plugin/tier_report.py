"""What the tiers of a lab did, and how well the cheap ones foretell the dear one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab_plugin.lab import Lab
from lab_plugin.ledger import State, VerdictRecord
from lab_plugin.promotion import Agreement, agreement


@dataclass(frozen=True)
class TierStanding:
    """A tier before the last in the current epoch.

    Attributes:
        name: The tier's.
        metric: Its metric.
        baseline: What the commit of the lock scores there.
        ideas: With a result.
        promoted: That went on.
        seconds: Wall seconds of its programs.
        agreement: Its rank correlation with the tier that decides.
        sentence: The same in words.
    """

    name: str
    metric: str
    baseline: float
    ideas: int
    promoted: int
    seconds: float
    agreement: Agreement
    sentence: str

    def document(self) -> dict[str, Any]:
        """For JSON; bounds of a correlation that is not known are None."""
        found = self.agreement
        return {
            "tier": self.name,
            "metric": self.metric,
            "baseline": self.baseline,
            "ideas": self.ideas,
            "promoted": self.promoted,
            "seconds": self.seconds,
            "rank_correlation": found.rho,
            "interval": None if found.rho is None else [found.low, found.high],
            "pairs": found.n,
            "misleads": found.misleads,
        }


def tier_standings(lab: Lab) -> tuple[TierStanding, ...]:
    """The tiers before the last, the cheapest first; empty without a lock, or without tiers."""
    state, config = lab.ledger.state(), lab.config
    lock = state.lock
    if lock is None:
        return ()
    verdicts = [record for record in state.ideas.values() if record.epoch == lock.epoch]
    standings: list[TierStanding] = []
    for tier in config.screening:
        if tier.name not in lock.tiers:
            continue
        pairs = [
            (record.tiers[tier.name], record.value)
            for record in verdicts
            if tier.name in record.tiers and record.value is not None
        ]
        pairs.append((lock.tiers[tier.name].value, lock.value))
        found = agreement(pairs, (tier.config.scorer.goal, lock.goal))
        results = [
            result for result in state.results if (result.epoch, result.tier) == (lock.epoch, tier.name)
        ]
        standings.append(
            TierStanding(
                name=tier.name,
                metric=tier.config.scorer.metric,
                baseline=lock.tiers[tier.name].value,
                ideas=len(results),
                promoted=sum(_went_on(lab, state, result.number, tier.name) for result in results),
                seconds=sum(result.seconds for result in results),
                agreement=found,
                sentence=found.sentence(tier.name, lock.tier),
            )
        )
    return tuple(standings)


def tier_table(standings: tuple[TierStanding, ...]) -> str:
    """The tiers as markdown."""
    lines = ["| tier | ideas | went on | seconds | baseline |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.ideas} | {one.promoted} | {one.seconds:.1f} | {one.metric} {one.baseline:.6g} |"
        for one in standings
    ]
    return "\n".join([*lines, "", *(f"- {one.sentence}" for one in standings)]) + "\n"


def _went_on(lab: Lab, state: State, number: int, tier: str) -> bool:
    names = [each.name for each in lab.config.tiers]
    beyond = names[names.index(tier) + 1 :]
    verdict: VerdictRecord | None = state.ideas.get(number)
    if verdict is not None:
        return verdict.tier in beyond
    return any(state.result(number, name) is not None for name in beyond)
