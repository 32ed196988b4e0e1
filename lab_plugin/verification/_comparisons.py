"""Every comparison, held against what the ledger had before it.

A decision is made again from what its record holds. Here that is proved itself, as far as the ledger tells:
the idea's share of the error, the noise, and the champion's scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lab_plugin.comparison import by_seed, tries_of
from lab_plugin.config import USAGE_METRICS, Decision
from lab_plugin.decision import ErrorBudget
from lab_plugin.lab import Lab
from lab_plugin.ledger import (
    CampaignRecord,
    Comparison,
    LockRecord,
    Noise,
    Problem,
    Proof,
    VerdictRecord,
)
from lab_plugin.verification._decisions import locked_decision

_REMEDY = "The record was not made by this rule: compare with a clone that was fetched before."
_ROUNDING = 1 + 1e-6


class _Fault(NamedTuple):
    what: str
    expected: str
    found: str


@dataclass
class _Campaign:
    """One campaign so far: its bounds, which place belongs to whom, and its keeps by a test."""

    budgets: list[Mapping[str, float]] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    keeps: int = 0


def comparison_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check each comparison of an epoch whose lock can be read; others are told of elsewhere."""
    walk = _Walk(lab)
    for entry in lab.ledger.records():
        record = entry.record
        if isinstance(record, LockRecord):
            walk.lock(record)
        elif isinstance(record, CampaignRecord):
            walk.campaigns[record.campaign].budgets.append(record.budget)
        elif isinstance(record, VerdictRecord) and record.number in proof.ideas:
            place = proof.ideas[record.number]
            for what, expected, found in walk.verdict(record):
                yield Problem(place.commit, what, _REMEDY, place.record, record.number, expected, found)


class _Walk:
    """What the records so far leave for the next one.

    Attributes:
        campaigns: By number.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._decision: Decision | None = None
        self._paired = False
        self._noises: dict[str, Noise] = {}
        self._champion = 0
        self._scores: dict[int, dict[str, float]] = {}
        self._seen: dict[int, Comparison] = {}
        self.campaigns: defaultdict[int, _Campaign] = defaultdict(_Campaign)

    def lock(self, record: LockRecord) -> None:
        """Begin an epoch."""
        self._decision = locked_decision(self._lab, record) if record.noise else None
        self._paired = record.metric in USAGE_METRICS
        self._noises = dict(record.noise)
        self._champion, self._scores = record.champion, {record.seed: dict(record.metrics)}

    def verdict(self, record: VerdictRecord) -> list[_Fault]:
        """Check a verdict's comparison, and take it in."""
        if (drift := record.drift) is not None and drift.champion == self._champion:
            self._noises.update(drift.found)
            if drift.moved:
                self._scores = {drift.seed: dict(drift.after)}
        found = record.comparison
        if found is None:
            if record.verdict == "kept":
                self._champion, self._scores = record.number, {record.seed: dict(record.metrics)}
            return []
        faults = [] if self._decision is None else list(self._faults(record, found, self._decision))
        self._take_in(record, found)
        return faults

    def _take_in(self, record: VerdictRecord, found: Comparison) -> None:
        campaign = self.campaigns[record.campaign]
        campaign.places.setdefault(found.place, record.number)
        campaign.keeps += found.controlled
        self._seen[record.number] = found
        self._noises.update(found.found)
        if found.champion == self._champion and found.candidate != found.against:
            for seed, scores in by_seed(found.seeds, found.against).items():
                self._scores.setdefault(seed, scores)
        if record.verdict == "kept":
            self._champion, self._scores = record.number, by_seed(found.seeds, found.candidate)

    def _faults(self, record: VerdictRecord, found: Comparison, decision: Decision) -> Iterator[_Fault]:
        name = f"idea {record.number}"
        yield from self._level_faults(record, found, decision)
        for metric, noise in found.noise.items():
            known = self._noises.get(metric)
            ours = (noise.sd, noise.df, noise.origin)
            theirs = None if known is None else (known.sd, known.df, known.origin)
            if ours != theirs:
                what = f"{name} was decided with another noise of {metric} than was measured"
                yield _Fault(what, repr(theirs), repr(ours))
        if found.max_repeats > decision.max_repeats and not record.continues:
            what = f"{name} was given more repeats than the rule allows"
            yield _Fault(what, str(decision.max_repeats), str(found.max_repeats))
        if self._paired or found.candidate == found.against:
            return
        for seed, scores in by_seed(found.seeds, found.against).items():
            for metric, score in scores.items():
                known_score = self._scores.get(seed, {}).get(metric, score)
                if known_score != score:
                    what = f"{name} was compared with another {metric} of the champion on seed {seed}"
                    yield _Fault(what, repr(known_score), repr(score))

    def _level_faults(self, record: VerdictRecord, found: Comparison, decision: Decision) -> Iterator[_Fault]:
        name, campaign = f"idea {record.number}", self.campaigns[record.campaign]
        if found.place == 0:
            earlier = self._seen.get(record.continues)
            if earlier is None or found.level != earlier.level:
                what = f"{name} has a share of the error that no idea before it left"
                yield _Fault(what, "none" if earlier is None else repr(earlier.level), repr(found.level))
        else:
            if found.place in campaign.places:
                what = f"{name} has the place of idea {campaign.places[found.place]} in its campaign"
                yield _Fault(what, "one of its own", str(found.place))
            tries = {tries_of(decision, budget) for budget in campaign.budgets}
            if found.tries not in tries:
                what = f"{name} was decided as if its campaign were laid out for {found.tries} ideas"
                yield _Fault(what, " or ".join(map(str, sorted(tries))), str(found.tries))
            share = ErrorBudget(1 - decision.confidence, found.tries or 1).level(found.place).base
            if found.level > share * _ROUNDING:
                yield _Fault(f"{name} has more than its share of the error", repr(share), repr(found.level))
        raised = min(1.0, found.level * (campaign.keeps + 1))
        if found.raised > raised * _ROUNDING:
            yield _Fault(f"{name} has more than its share of the error", repr(raised), repr(found.raised))
