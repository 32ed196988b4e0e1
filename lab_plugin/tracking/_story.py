"""What the ledger tells so far: metric, epoch, champion, and the count of each campaign."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lab_plugin.gap import Gap, gaps
from lab_plugin.ledger._records import CampaignRecord, LockRecord, VerdictRecord
from lab_plugin.tracking._contract import Entry


@dataclass(frozen=True)
class Champion:
    """The best kept commit of the epoch, and the entry whose run shows its value."""

    key: str
    branch: str
    value: float
    number: int


@dataclass(frozen=True)
class Tally:
    """One campaign so far."""

    strategy: str = ""
    started: str = ""
    ideas: int = 0
    kept: int = 0
    usd: float = 0.0


@dataclass
class Story:
    """A fold over the ledger; the same entries always give the same story."""

    lock: LockRecord | None = None
    champion: Champion | None = None
    campaigns: dict[int, Tally] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    """Sealed scorings of the epoch."""

    def apply(self, entry: Entry) -> None:
        """Take in the next entry."""
        record = entry.record
        if isinstance(record, LockRecord):
            self.lock = record
            self.champion = Champion(entry.commit, "", record.value, record.champion)
            self.gaps = gaps((record,), record.epoch)
        elif isinstance(record, CampaignRecord):
            tally = self.tally(record)
            self.campaigns[record.campaign] = replace(tally, strategy=record.strategy)
        elif isinstance(record, VerdictRecord):
            self._count(entry.commit, record)

    def tally(self, record: CampaignRecord | VerdictRecord) -> Tally:
        """The count of the record's campaign; a new one when nothing is known of it."""
        return self.campaigns.get(record.campaign, Tally(record.strategy, record.at))

    def _count(self, commit: str, record: VerdictRecord) -> None:
        self.gaps += gaps((record,), self.lock.epoch if self.lock else 0)
        tally = self.tally(record)
        kept = record.verdict == "kept"
        self.campaigns[record.campaign] = replace(
            tally, ideas=tally.ideas + 1, kept=tally.kept + kept, usd=tally.usd + record.usd
        )
        if kept and record.value is not None:
            self.champion = Champion(commit, record.branch, record.value, record.number)
