"""What the ledger says now, folded from its records one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lab_plugin.budget import Spent
from lab_plugin.ledger._records import (
    CampaignRecord,
    ConfirmationRecord,
    ImportRecord,
    LockRecord,
    Record,
    TierRecord,
    VerdictRecord,
)
from lab_plugin.ledger._results import Results


@dataclass(frozen=True)
class Champion:
    """The best kept commit.

    Attributes:
        number: Of its idea; 0 for the baseline.
        commit: Its commit.
        value: Its metric, under the current lock.
        metrics: All its metrics.
        holdout: Its hold-out value; None where it has none.
    """

    number: int
    commit: str
    value: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    holdout: float | None = None


@dataclass(frozen=True, kw_only=True)
class OpenCampaign:
    """The campaign that is not closed yet.

    Attributes:
        number: Its number.
        strategy: Its proposer.
        fresh: Its proposer does not see earlier ideas.
        history_from: Ideas with a number up to this one are hidden from the proposer.
        budget: Its bounds, as last revised.
        spent: What it has spent.
        kept: Ideas kept.
    """

    number: int
    strategy: str
    fresh: bool = False
    history_from: int = 0
    budget: Mapping[str, float] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    kept: int = 0

    def with_verdict(self, record: VerdictRecord) -> OpenCampaign:
        """The campaign after one more of its ideas."""
        return OpenCampaign(
            number=self.number,
            strategy=self.strategy,
            fresh=self.fresh,
            history_from=self.history_from,
            budget=self.budget,
            spent=_spend(self.spent, record),
            kept=self.kept + (record.verdict == "kept"),
        )


class _Log:
    """Verdicts in order; only ever appended to, so that every earlier length stays a valid view."""

    def __init__(self) -> None:
        self.items: list[VerdictRecord] = []
        self.at: dict[int, int] = {}
        self.trees: dict[tuple[int, str], list[int]] = {}


class Ideas(Mapping[int, VerdictRecord]):
    """The verdicts by number, in the order of the ledger; a view that never changes."""

    def __init__(self, log: _Log | None = None, length: int = 0) -> None:
        self._log = log or _Log()
        self._length = length

    def __getitem__(self, number: int) -> VerdictRecord:
        position = self._log.at[number]
        if position >= self._length:
            raise KeyError(number)
        return self._log.items[position]

    def __contains__(self, number: object) -> bool:
        # Asked twice for every record that is folded, mostly of a new number: without an exception for that.
        return isinstance(number, int) and self._log.at.get(number, self._length) < self._length

    def __iter__(self) -> Iterator[int]:
        return (self._log.items[position].number for position in range(self._length))

    def __len__(self) -> int:
        return self._length

    def last(self) -> VerdictRecord | None:
        """The newest verdict."""
        return self._log.items[self._length - 1] if self._length else None

    def find_tree(self, epoch: int, tree: str, after: int = 0) -> VerdictRecord | None:
        """The first verdict of an epoch that scored a tree; else the first that met it without a score.

        Args:
            epoch: Of the lock.
            tree: The tree.
            after: Only records behind this position of the ledger.
        """
        found = [at for at in self._log.trees.get((epoch, tree), ()) if at < self._length]
        verdicts = [self._log.items[at] for at in found]
        verdicts = [item for item in verdicts if not after or item.sequence > after]
        return next((item for item in verdicts if _scored(item, tree)), verdicts[0] if verdicts else None)

    def with_verdict(self, record: VerdictRecord) -> Ideas:
        """These and one more; the number must be new."""
        log = self._log
        if len(log.items) != self._length:
            log = _copy(self)
        position = len(log.items)
        log.items.append(record)
        log.at[record.number] = position
        for tree in dict.fromkeys((record.tree, *(point.tree for point in record.points))):
            log.trees.setdefault((record.epoch, tree), []).append(position)
        return Ideas(log, position + 1)


@dataclass(frozen=True, kw_only=True)
class State:
    """The ledger at one moment; never changes.

    Attributes:
        lock: The lock of the current epoch; None before the first `lab lock`.
        champion: The best kept commit; None before the first lock.
        campaign: The open campaign, None when there is none.
        ideas: All verdicts by number.
        results: Results of ideas at tiers before the last.
        confirmation: The newest one of the current epoch.
        confirmed: Seeds that confirmations of the current epoch have used.
        moved: Position of the newest record that tells of a champion whose scores moved; what was scored
            before is no answer any more. 0 for none in the current epoch.
        looks: Ideas of the current epoch whose verdict tells of a look at the hold-out.
        imports: What was tried elsewhere, of all epochs, oldest first.
        next_number: For the next idea; above every number in the ledger.
        next_campaign: For the next campaign.
    """

    lock: LockRecord | None = None
    champion: Champion | None = None
    campaign: OpenCampaign | None = None
    ideas: Ideas = field(default_factory=Ideas)
    results: Results = field(default_factory=Results)
    confirmation: ConfirmationRecord | None = None
    confirmed: int = 0
    moved: int = 0
    looks: int = 0
    imports: tuple[ImportRecord, ...] = ()
    next_number: int = 1
    next_campaign: int = 1

    @property
    def baseline(self) -> Champion | None:
        """What the current epoch started from, with its value under the current lock."""
        lock = self.lock
        if lock is None:
            return None
        return Champion(lock.champion, lock.commit, lock.value, lock.metrics, _holdout_value(lock))

    def find_tree(self, tree: str) -> VerdictRecord | None:
        """The idea of the current epoch that met this tree (as itself or as a point), scored if any was; of
        those since the champion's scores last moved.
        """
        return None if self.lock is None else self.ideas.find_tree(self.lock.epoch, tree, self.moved)

    def result(self, number: int, tier: str) -> TierRecord | None:
        """The result of an idea at a tier before the last, in the current epoch."""
        return None if self.lock is None else self.results.get(self.lock.epoch, number, tier)

    def with_record(self, record: Record) -> State:
        """The state after one more record. A second verdict of one number changes nothing."""
        match record:
            case LockRecord():
                locked = replace(self, lock=record, looks=0, confirmation=None, confirmed=0, moved=0)
                return replace(locked, champion=locked.baseline)
            case CampaignRecord():
                return self._with_campaign(record)
            case ConfirmationRecord():
                in_epoch = self.lock is not None and record.epoch == self.lock.epoch
                used = self.confirmed + len(record.seeds)
                return replace(self, confirmation=record, confirmed=used) if in_epoch else self
            case ImportRecord():
                return replace(self, imports=(*self.imports, record))
            case TierRecord():
                following = max(self.next_number, record.number + 1)
                return replace(self, results=self.results.with_result(record), next_number=following)
            case VerdictRecord():
                return self if record.number in self.ideas else self._with_verdict(record)

    def _with_campaign(self, record: CampaignRecord) -> State:
        following = max(self.next_campaign, record.campaign + 1)
        if record.event == "closed":
            same = self.campaign is not None and self.campaign.number == record.campaign
            return replace(self, campaign=None if same else self.campaign, next_campaign=following)
        before = self.campaign
        known = before if before is not None and before.number == record.campaign else None
        spent = known.spent if known is not None else Spent()
        campaign = OpenCampaign(
            number=record.campaign,
            strategy=record.strategy,
            fresh=record.fresh,
            history_from=record.history_from,
            budget=record.budget,
            spent=replace(spent, seconds=max(spent.seconds, record.seconds)),
            kept=known.kept if known is not None else 0,
        )
        return replace(self, campaign=campaign, next_campaign=following)

    def _with_verdict(self, record: VerdictRecord) -> State:
        champion, campaign = self.champion, self.campaign
        kept = record.verdict == "kept"
        in_epoch = self.lock is not None and record.epoch == self.lock.epoch
        if kept and in_epoch and record.value is not None:
            value = _holdout_value(record)
            champion = Champion(record.number, record.commit, record.value, record.metrics, value)
        counted = in_epoch and record.holdout is not None and record.holdout.counted
        if campaign is not None and campaign.number == record.campaign:
            campaign = campaign.with_verdict(record)
        return State(
            lock=self.lock,
            champion=champion,
            campaign=campaign,
            ideas=self.ideas.with_verdict(record),
            results=self.results,
            confirmation=self.confirmation,
            confirmed=self.confirmed,
            moved=record.sequence if in_epoch and record.drift and record.drift.moved else self.moved,
            looks=self.looks + counted,
            imports=self.imports,
            next_number=max(self.next_number, record.number + 1),
            next_campaign=self.next_campaign,
        )


def _holdout_value(record: LockRecord | VerdictRecord) -> float | None:
    return None if record.holdout is None else record.holdout.value


def _spend(spent: Spent, record: VerdictRecord) -> Spent:
    crashes = {"crashed": spent.crashes + 1, "rejected": spent.crashes}
    return Spent(
        iterations=spent.iterations + 1,
        seconds=max(spent.seconds, record.campaign_seconds),
        usd=spent.usd + record.usd,
        crashes=crashes.get(record.verdict, 0),
        since_keep=0 if record.verdict == "kept" else spent.since_keep + 1,
    )


def _scored(record: VerdictRecord, tree: str) -> bool:
    if any(point.tree == tree and point.value is not None for point in record.points):
        return True
    return record.tree == tree and record.value is not None


def _copy(ideas: Ideas) -> _Log:
    """A log of its own for a state that is continued differently from before."""
    fresh = Ideas()
    for record in ideas.values():
        fresh = fresh.with_verdict(record)
    return fresh._log
