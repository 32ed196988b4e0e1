"""Every promotion, held against the results before it.

Who goes on from a tier follows from the results of a campaign, in their order, and from the tier's rule. Both
are in the ledger, so that a promotion is proved as a verdict is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lab_plugin.comparison import as_itself, decide_again, rules_of
from lab_plugin.config import Tier
from lab_plugin.epoch import load_epoch
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import CampaignRecord, Entry, LockRecord, Problem, Proof, TierRecord, VerdictRecord
from lab_plugin.promotion import Decided, Rung

_REMEDY = "The record was not made by this rule: compare with a clone that was fetched before."


@dataclass
class _Walk:
    """The ledger so far, as promotions see it.

    Attributes:
        tiers: Before the last, by name; of the epoch.
        rungs: Of the campaign, by tier.
        promoted: Tier -> ideas that went on from it.
        open: Results of ideas without a verdict, in the order of the ledger.
        champion: The tree of the champion.
    """

    tiers: dict[str, Tier] = field(default_factory=dict)
    rungs: dict[str, Rung] = field(default_factory=dict)
    promoted: dict[str, set[int]] = field(default_factory=dict)
    open: list[TierRecord] = field(default_factory=list)
    champion: str = ""

    def begin(self) -> None:
        """Begin a campaign: what is open from before counts first."""
        self.rungs = {
            name: Rung(tier.promote, tier.config.scorer.goal)
            for name, tier in self.tiers.items()
            if tier.promote is not None
        }
        self.promoted = {name: set() for name in self.rungs}
        for result in sorted(self.open, key=lambda result: result.number):
            self.count(result)

    def count(self, result: TierRecord) -> None:
        """A result counts."""
        due = self.rungs[result.tier].add(result.number, result.value, result.passed)
        self.promoted[result.tier].update(due)

    def went_on(self, number: int, tier: str) -> bool:
        """Whether an idea may have gone on from a tier, at the latest when nothing else was under way."""
        if number not in self.promoted[tier]:
            self.promoted[tier].update(self.rungs[tier].finish())
        return number in self.promoted[tier]


def promotion_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check who went on from each tier; an epoch whose lock cannot be read is told of elsewhere."""
    if not any(record.tiers for _, record in proof.locks):
        return
    walk = _Walk()
    for position, entry in enumerate(lab.ledger.records(), 1):
        number = getattr(entry.record, "number", None)
        for what in _faults(lab, walk, entry):
            yield Problem(entry.commit, what, _REMEDY, position, number)


def _faults(lab: Lab, walk: _Walk, entry: Entry) -> Iterator[str]:
    match entry.record:
        case LockRecord() as lock:
            walk.tiers, walk.open = _tiers(lab, lock), []
            walk.champion = lab.repository.tree_of(lock.commit)
            walk.begin()
        case CampaignRecord(event="opened"):
            walk.begin()
        case TierRecord() as result if result.tier in walk.rungs:
            yield from _result_faults(walk, result)
            walk.open.append(result)
            try:
                walk.count(result)
            except ValueError as error:
                yield str(error)
        case VerdictRecord() as verdict:
            yield from _verdict_faults(walk, verdict)
            walk.open = [result for result in walk.open if result.number != verdict.number]
            for rung in walk.rungs.values():
                rung.drop(verdict.number)
            if verdict.verdict == "kept":
                walk.champion = verdict.tree


def _tiers(lab: Lab, lock: LockRecord) -> dict[str, Tier]:
    if not lock.tiers:
        return {}
    try:
        return {tier.name: tier for tier in load_epoch(lab, lock).config.screening}
    except LabError:
        return {}


def _result_faults(walk: _Walk, result: TierRecord) -> Iterator[str]:
    told, tier = f"idea {result.number} at the tier {result.tier}", walk.tiers[result.tier]
    if not isinstance(tier.promote, Decided):
        if result.seeds != tier.seeds:
            yield f"{told} was scored on other seeds than the tier's: {result.seeds}"
        return
    found, decision, scorer = result.comparison, tier.config.decision, tier.config.scorer
    if found is None or found.seeds != result.seeds or found.candidate.get(scorer.metric) != result.values:
        yield f"{told} was not compared by its scores"
        return
    rules = rules_of(decision, scorer.metric, scorer.goal, found.tries)
    rules = as_itself(rules) if result.tree == walk.champion else rules
    try:
        state: str = decide_again(found, rules).state
    except (ValueError, KeyError) as error:
        state = f"nothing that can be told ({error})"
    if (state == "keep") != result.passed:
        yield f"{told} is not what the rule decides there: {state}"


def _verdict_faults(walk: _Walk, verdict: VerdictRecord) -> Iterator[str]:
    number, names = verdict.number, list(walk.rungs)
    if verdict.continues or verdict.verdict not in ("kept", "reverted", "inconclusive"):
        return
    before = names[: names.index(verdict.tier)] if verdict.tier in names else names
    for name in before:
        if verdict.value is not None and name in verdict.tiers and not walk.went_on(number, name):
            standing = walk.rungs[name].standing(number)
            yield f"idea {number} went on from the tier {name}, and was not due: {standing}"
        elif verdict.value is not None and name not in verdict.tiers:
            yield f"idea {number} was decided without a result at the tier {name}"
    here = verdict.tier
    if here in verdict.tiers and verdict.verdict == "reverted" and number in walk.promoted.get(here, ()):
        yield f"idea {number} was due to go on from the tier {here}, and was reverted"
