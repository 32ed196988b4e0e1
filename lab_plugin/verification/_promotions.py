"""Every promotion, held against the results before it.

Who goes on from a tier follows from the results of a campaign, in their order, and from the tier's rule. Both
are in the ledger, so that a promotion is proved as a verdict is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lab_plugin.comparison import as_itself, decide_again, rules_of
from lab_plugin.config import Decision, Scorer, Tier
from lab_plugin.epoch import load_epoch
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import (
    CampaignRecord,
    Entry,
    LockRecord,
    Noise,
    Problem,
    Proof,
    State,
    TierRecord,
    VerdictRecord,
)
from lab_plugin.promotion import WAITED, Decided, Rung
from lab_plugin.verification._last_words import LastWords

_ROUNDING = 1 + 1e-6
_REMEDY = "The record was not made by this rule: compare with a clone that was fetched before."


@dataclass
class _Walk:
    """The ledger so far, as promotions see it.

    Attributes:
        tiers: Before the last, by name; of the epoch.
        rungs: Of the campaign, by tier.
        promoted: Tier -> ideas that went on from it.
        open: Results of ideas without a verdict, in the order of the ledger.
        champions: Trees of the champions of the epoch, by the number of their idea.
        lock: Of the epoch.
        words: Last words of the campaign's rules.
        state: The ledger before the record that is looked at.
    """

    tiers: dict[str, Tier] = field(default_factory=dict)
    rungs: dict[str, Rung] = field(default_factory=dict)
    promoted: dict[str, set[int]] = field(default_factory=dict)
    open: list[TierRecord] = field(default_factory=list)
    champions: dict[int, str] = field(default_factory=dict)
    lock: LockRecord | None = None
    words: LastWords = field(default_factory=LastWords)
    state: State = field(default_factory=State)

    def begin(self) -> None:
        """Begin a campaign: what is open from before counts first."""
        self.rungs = {
            name: Rung(tier.promote, tier.config.scorer.goal)
            for name, tier in self.tiers.items()
            if tier.promote is not None
        }
        self.promoted = {name: set() for name in self.rungs}
        names = list(self.rungs)
        # Each counts at the last tier that it had reached: it went on from those before.
        reached = {result.number: result for result in self.open}
        for number, result in sorted(reached.items()):
            for name in names[: names.index(result.tier)]:
                self.promoted[name].add(number)
            self.count(result)

    def count(self, result: TierRecord) -> None:
        """A result counts."""
        due = self.rungs[result.tier].add(result.number, result.value, result.passed)
        self.promoted[result.tier].update(due)

    def went_on(self, number: int, tier: str) -> bool:
        """Whether an idea may have gone on from a tier, at the latest by the last word of its rule."""
        if number not in self.promoted[tier] and self.rungs[tier].waits(number):
            self.have_last_word(number, tier)
        return number in self.promoted[tier]

    def have_last_word(self, number: int, tier: str) -> None:
        """The rule of a tier must have had its last word, as something came of an idea that waited."""
        self.words.said(tier, number)
        self.promoted[tier].update(self.rungs[tier].finish())

    def noise(self, tier: str) -> Mapping[str, Noise]:
        """What the lock says of the noise at a tier."""
        return self.lock.tiers[tier].noise if self.lock is not None and tier in self.lock.tiers else {}

    def standing(self, number: int, tier: str) -> str:
        """Where it stands there, in words."""
        try:
            return self.rungs[tier].standing(number)
        except ValueError:
            return "it has no result there"


def promotion_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check who went on from each tier; an epoch whose lock cannot be read is told of elsewhere."""
    if not any(record.tiers for _, record in proof.locks):
        return
    walk = _Walk()
    for position, entry in enumerate(lab.ledger.records(), 1):
        number = getattr(entry.record, "number", None)
        for what in _faults(lab, walk, entry):
            yield Problem(entry.commit, what, _REMEDY, position, number)
        walk.state = walk.state.with_record(entry.record)


def _faults(lab: Lab, walk: _Walk, entry: Entry) -> Iterator[str]:
    match entry.record:
        case LockRecord() as lock:
            walk.tiers, walk.open = _tiers(lab, lock), []
            walk.lock, walk.champions = lock, {lock.champion: lab.repository.tree_of(lock.commit)}
            walk.begin()
            walk.words.forget()
        case CampaignRecord() as campaign:
            walk.words.campaign(campaign)
            if campaign.event == "opened":
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
                walk.champions[verdict.number] = verdict.tree


def _tiers(lab: Lab, lock: LockRecord) -> dict[str, Tier]:
    if not lock.tiers:
        return {}
    try:
        return {tier.name: tier for tier in load_epoch(lab, lock).config.screening}
    except LabError:
        return {}


def _result_faults(walk: _Walk, result: TierRecord) -> Iterator[str]:
    told, tier = f"idea {result.number} at the tier {result.tier}", walk.tiers[result.tier]
    yield from walk.words.faults_of(result)
    names = list(walk.tiers)
    for name in names[: names.index(result.tier)]:
        if not any((each.number, each.tier) == (result.number, name) for each in walk.open):
            yield f"{told} has no result at the tier {name} before it"
        elif not walk.went_on(result.number, name):
            yield f"{told} was not due to go on from the tier {name}: {walk.standing(result.number, name)}"
    metric = tier.config.scorer.metric
    if result.values[:1] != (result.metrics.get(metric),):
        yield f"the metric {metric} of {told} is not that of its first run"
    if isinstance(tier.promote, Decided):
        yield from _decided_faults(walk, result, tier)
        return
    if result.seeds != tier.seeds:
        yield f"{told} was scored on other seeds than the tier's: {result.seeds}"
    if result.passed is not None or result.comparison is not None:
        yield f"{told} was compared, and its tier does not decide so"


def _decided_faults(walk: _Walk, result: TierRecord, tier: Tier) -> Iterator[str]:
    """A result at a tier that promotes by the decision rule is decided again."""
    told, decision, scorer = f"idea {result.number} at the tier {tier.name}", *_tables(tier)
    found = result.comparison
    if found is None or found.seeds != result.seeds or found.candidate.get(scorer.metric) != result.values:
        yield f"{told} was not compared by its scores"
        return
    if found.champion not in walk.champions:
        # It need not be the newest one: another may have come while it was compared.
        yield f"{told} was compared with idea {found.champion}, which was no champion"
        return
    if _measured(found.noise) != _measured(walk.noise(tier.name)):
        yield f"{told} was decided with another noise than was measured there"
    if found.max_repeats > decision.max_repeats or found.place:
        yield f"{told} was given more repeats than its rule allows, or a place in its campaign"
    rules = rules_of(decision, scorer.metric, scorer.goal, found.tries)
    rules = as_itself(rules) if result.tree == walk.champions[found.champion] else rules
    if max(found.level, found.raised) > (1 - rules.confidence) * _ROUNDING:
        yield f"{told} has more than its share of the error"
    try:
        state: str = decide_again(found, rules).state
    except (ValueError, KeyError) as error:
        state = f"nothing that can be told ({error})"
    if (state == "keep") != result.passed:
        yield f"{told} is not what the rule decides there: {state}"


def _tables(tier: Tier) -> tuple[Decision, Scorer]:
    return tier.config.decision, tier.config.scorer


def _measured(noise: Mapping[str, Noise]) -> dict[str, tuple[object, ...]]:
    return {name: (each.sd, each.df, each.origin) for name, each in noise.items()}


def _verdict_faults(walk: _Walk, verdict: VerdictRecord) -> Iterator[str]:
    number, names = verdict.number, list(walk.rungs)
    if verdict.continues:
        return
    before = names[: names.index(verdict.tier)] if verdict.tier in names else names
    for name in before:
        if name not in verdict.tiers:
            yield f"idea {number} was decided without a result at the tier {name}"
        elif not walk.went_on(number, name):
            standing = walk.standing(number, name)
            yield f"idea {number} went on from the tier {name}, and was not due: {standing}"
    for name in names[len(before) + 1 :]:
        if name in verdict.tiers:
            yield f"idea {number} was decided at the tier {verdict.tier}, and has a result at {name} after it"
    if before != names and verdict.tier in verdict.tiers and verdict.verdict == "reverted":
        yield from _dropped_faults(walk, verdict)


def _dropped_faults(walk: _Walk, verdict: VerdictRecord) -> Iterator[str]:
    """An idea that goes no further was dropped by its tier's rule, or its campaign was at its end."""
    number, here = verdict.number, verdict.tier
    if verdict.reason.startswith(WAITED):
        yield from walk.words.end(verdict, walk.state)
    elif walk.rungs[here].waits(number):
        walk.have_last_word(number, here)
    if number in walk.promoted[here]:
        yield f"idea {number} was due to go on from the tier {here}, and was reverted"
