"""The figures of a digest, from the ledger alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lab_plugin.confirmation import confirmation_sentence, needs_confirmation
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import CampaignRecord, Entry, VerdictRecord
from lab_plugin.mirroring import known_store
from lab_plugin.queue import ASKING, overview
from lab_plugin.report import idea_name
from lab_plugin.tier_report import tier_standings
from lab_plugin.tracking import leaderboard_url

Period = Literal["daily", "weekly"]
DAYS: dict[Period, int] = {"daily": 1, "weekly": 7}
"""Days that a digest looks back."""

_REASON = 120
_MOST_REASONS = 8
_FAILED = ("crashed", "rejected")


@dataclass(frozen=True)
class Keep:
    """An idea that was kept in the period.

    Attributes:
        idea: Its number.
        name: Number and title.
        branch: Its branch.
        value: The metric.
        difference: To the champion that it followed; None where nothing was compared.
        low: Lower end of the difference's interval; None for none.
        high: Upper end.
        corrected: The difference less what picking and stopping add to it; None where that is not known.
    """

    idea: int
    name: str
    branch: str
    value: float | None
    difference: float | None
    low: float | None
    high: float | None
    corrected: float | None


@dataclass(frozen=True)
class Standing:
    """The champion, and how far it is from where it was.

    Attributes:
        idea: Its number; 0 for the baseline.
        value: Its metric.
        branch: The champion's branch.
        before: The champion's value at the period's start; in the epoch of now, else at that epoch's start.
        baseline: What the epoch of now started from.
        confirmed: What its confirmation says; "" without one.
    """

    idea: int
    value: float
    branch: str
    before: float
    baseline: float
    confirmed: str


@dataclass(frozen=True)
class Digest:
    """What a lab did in a period.

    Attributes:
        lab: Its name.
        period: `daily` or `weekly`.
        since: Start of the period, UTC as in the ledger.
        metric: The lab's.
        goal: `maximize` or `minimize`.
        verdicts: Verdict -> ideas.
        strategies: Strategy -> ideas.
        kept: The keeps, oldest first.
        standing: The champion; None before the first lock.
        seconds: Wall seconds of programs.
        usd: US dollars.
        campaigns: A sentence for each campaign that was opened, goes on or ended.
        failures: Reason -> ideas that crashed or were rejected for it, the most frequent first.
        tiers: A sentence for each tier before the last.
        waits: What waits for a person.
        links: Name -> address or command.
    """

    lab: str
    period: Period
    since: str
    metric: str
    goal: str
    verdicts: dict[str, int]
    strategies: dict[str, int]
    kept: tuple[Keep, ...]
    standing: Standing | None
    seconds: float
    usd: float
    campaigns: tuple[str, ...]
    failures: tuple[tuple[str, int], ...]
    tiers: tuple[str, ...]
    waits: tuple[str, ...]
    links: dict[str, str]

    @property
    def ideas(self) -> int:
        """Ideas that had their verdict in the period."""
        return sum(self.verdicts.values())

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ideas": self.ideas}


def make_digest(lab: Lab, period: Period = "daily", now: datetime | None = None) -> Digest:
    """Look back over a period.

    Args:
        lab: The lab.
        period: How far.
        now: Its end; None for now.

    Raises:
        LedgerError: The ledger is damaged.
    """
    since = ((now or datetime.now(UTC)) - timedelta(days=DAYS[period])).strftime("%Y-%m-%dT%H:%M:%SZ")
    entries = lab.ledger.records()
    inside = [entry.record for entry in entries if entry.record.at >= since]
    verdicts = [record for record in inside if isinstance(record, VerdictRecord)]
    kept = [record for record in verdicts if record.verdict == "kept"]
    return Digest(
        lab=lab.name,
        period=period,
        since=since,
        metric=lab.config.scorer.metric,
        goal=lab.config.scorer.goal,
        verdicts=_counted(record.verdict for record in verdicts),
        strategies=_counted(record.strategy for record in verdicts),
        kept=tuple(_keep(record) for record in kept),
        standing=_standing(lab, entries, since),
        seconds=sum(record.seconds for record in verdicts),
        usd=sum(record.usd for record in verdicts),
        campaigns=_campaigns(lab, [record for record in inside if isinstance(record, CampaignRecord)]),
        failures=_failures(verdicts),
        tiers=tuple(standing.sentence for standing in tier_standings(lab)),
        waits=_waits(lab),
        links=_links(lab),
    )


def _counted(words: Any) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _keep(record: VerdictRecord) -> Keep:
    found = record.comparison
    return Keep(
        idea=record.number,
        name=idea_name(record),
        branch=record.branch,
        value=record.value,
        difference=record.difference,
        low=found.low if found else None,
        high=found.high if found else None,
        corrected=found.corrected if found else None,
    )


def _standing(lab: Lab, entries: Sequence[Entry], since: str) -> Standing | None:
    state = lab.ledger.state()
    if state.lock is None or state.champion is None or state.baseline is None:
        return None
    champion, found, before = state.champion, state.confirmation, state.lock.value
    for record in (entry.record for entry in entries if entry.record.at < since):
        if isinstance(record, VerdictRecord) and (record.epoch, record.verdict) == (state.lock.epoch, "kept"):
            before = record.value if record.value is not None else before
    confirmed = ""
    if found is not None and found.champion == champion.number:
        confirmed = confirmation_sentence(found, state.lock.metric, lab.config.scorer.goal)
    return Standing(champion.number, champion.value, lab.best_branch, before, state.baseline.value, confirmed)


def _campaigns(lab: Lab, records: Sequence[CampaignRecord]) -> tuple[str, ...]:
    ended = {record.campaign: record.reason for record in records if record.event == "closed"}
    opened = [record.campaign for record in records if record.event == "opened"]
    lines = [f"Campaign {number} ended: {reason}." for number, reason in ended.items()]
    lines += [f"Campaign {number} began." for number in opened if number not in ended]
    if (view := lab.ledger.state().campaign) is not None:
        of = f" of {view.budget['iterations']:g}" if "iterations" in view.budget else ""
        hours = f", {view.spent.seconds / 3600:.1f} h" + (
            f" of {view.budget['hours']:g} h" if "hours" in view.budget else ""
        )
        usd = f", {view.spent.usd:.2f} USD" if view.spent.usd or "cost_usd" in view.budget else ""
        usd += f" of {view.budget['cost_usd']:g} USD" if "cost_usd" in view.budget else ""
        lines.append(f"Campaign {view.number} is open: {view.spent.iterations}{of} iterations{hours}{usd}.")
    return tuple(lines)


def _failures(verdicts: Sequence[VerdictRecord]) -> tuple[tuple[str, int], ...]:
    """Failures by what they have in common: figures in a reason are of one idea alone."""
    reasons = Counter(
        f"{record.verdict}: {_alike(record.reason)}" for record in verdicts if record.verdict in _FAILED
    )
    return tuple(reasons.most_common(_MOST_REASONS))


def _alike(reason: str) -> str:
    line = " ".join(reason.partition("\n")[0].split())
    line = re.sub(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", "#", line)
    return line if len(line) <= _REASON else f"{line[: _REASON - 1]}…"


def _waits(lab: Lab) -> tuple[str, ...]:
    waits = []
    try:
        rows = overview(lab)
    except LabError as error:
        return (error.message,)
    for row in rows:
        if ASKING in row.state:
            waits.append(f"Idea {row.number} ({row.title}) waits for approve, edit or skip.")
        elif row.state in ("held", "paused", "set aside"):
            waits.append(f"Idea {row.number} is {row.state}: see `lab queue`.")
    if lab.ledger.state().campaign is None and needs_confirmation(lab.ledger.state()):
        waits.append("The champion has not met the baseline on fresh seeds: `lab confirm`.")
    return tuple(waits)


def _links(lab: Lab) -> dict[str, str]:
    links = {"champion": lab.best_branch}
    store = known_store(lab)
    if store and (address := leaderboard_url(store, lab.key)) is not None:
        links["MLflow"] = address
    return links
