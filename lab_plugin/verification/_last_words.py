"""The last word of a tier's rule: said when nothing else is to come, and what may not come after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lab_plugin.budget import Budget, Spent, exhausted
from lab_plugin.ledger import CampaignRecord, State, TierRecord, VerdictRecord
from lab_plugin.promotion import WAITED

_LASTING = ("target", "hours", "cost_usd")
"""Bounds that stay reached; a row of crashes ends with the next verdict."""


class LastWords:
    """What a campaign's rules said at its end, and its budget.

    A rule has its last word when all iterations are spent: then no result comes at its tier any more, unless
    the budget is given anew. A plateau may end with an idea that still goes on; with one in the budget, later
    results say nothing.
    """

    def __init__(self) -> None:
        self._budget: Mapping[str, float] = {}
        self._said: dict[str, int] = {}
        self._ended = ""
        self._stays_ended = False

    def campaign(self, record: CampaignRecord) -> None:
        """A campaign is opened, revised or closed."""
        if record.event == "opened" or dict(record.budget) != dict(self._budget):
            self._budget = record.budget
            self.forget()

    def forget(self) -> None:
        """What was said holds no more: the campaign goes on under another lock, or with another budget."""
        self._said = {}
        self._ended, self._stays_ended = "", False

    def said(self, tier: str, number: int) -> None:
        """A rule had its last word, by which an idea goes on, or does not."""
        self._said.setdefault(tier, number)

    def faults_of(self, result: TierRecord) -> Iterator[str]:
        """What speaks against a result at this place of the ledger."""
        told = f"idea {result.number} at the tier {result.tier}"
        if result.tier in self._said and "plateau" not in self._budget:
            number = self._said[result.tier]
            yield f"{told} came after the last word of the tier's rule, by which idea {number} was judged"
        if self._stays_ended:
            yield f"{told} went on after its campaign had ended: {self._ended}"

    def end(self, verdict: VerdictRecord, state: State) -> Iterator[str]:
        """An idea that waits is reverted, as its campaign has ended.

        Args:
            verdict: Its verdict.
            state: The ledger before it.
        """
        claim = verdict.reason.partition(WAITED)[2]
        if claim == self._ended:
            return
        reached = self._reached(verdict, state)
        if claim not in reached.values():
            yield f"idea {verdict.number} was reverted as its campaign had ended, which it had not: {claim}"
            return
        self._ended = claim
        self._stays_ended = any(reached.get(name) == claim for name in _LASTING)

    def _reached(self, verdict: VerdictRecord, state: State) -> dict[str, str]:
        """Bound -> why no idea may go on that waits."""
        campaign, champion, lock = state.campaign, state.champion, state.lock
        if campaign is None or champion is None or lock is None:
            return {}
        spent: Spent = replace(campaign.spent, seconds=max(campaign.spent.seconds, verdict.campaign_seconds))
        found = {
            name: exhausted(Budget.from_record({name: self._budget[name]}), spent, champion.value, lock.goal)
            for name in (*_LASTING, "crashes")
            if name in self._budget
        }
        return {name: reason for name, reason in found.items() if reason}
