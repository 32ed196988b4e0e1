"""What an idea scored at the tiers before the last, scored again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lab_plugin.config import USAGE_METRICS, Tier
from lab_plugin.decision import Pairs
from lab_plugin.epoch import Epoch
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, State, TierRecord, VerdictRecord
from lab_plugin.promotion import Decided
from lab_plugin.rescore import score_tree
from lab_plugin.scorer import Score
from lab_plugin.verification._differences import differing

Outcome = Literal["equal", "measured", "environment", "different"]


@dataclass(frozen=True)
class TierSubject:
    """What the ledger says of a commit at a tier.

    Attributes:
        tier: The tier.
        seeds: Of its runs there.
        values: Of the tier's metric, per seed; empty where only their mean is known, or there is none.
        value: Their mean; None where it has none.
        metrics: All metrics of the first run.
    """

    tier: str
    seeds: tuple[int, ...]
    values: tuple[float, ...] = ()
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TierRerun:
    """A commit scored again at a tier.

    Attributes:
        tier: The tier.
        metric: Its metric.
        seeds: Of the runs.
        recorded: Its value there by the ledger, the mean over the seeds; None where it has none.
        found: The same now.
        outcome: As that of `Rerun`.
        explanation: One line.
    """

    tier: str
    metric: str
    seeds: tuple[int, ...]
    recorded: float | None
    found: float | None
    outcome: Outcome
    explanation: str

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the record."""
        return self.outcome in ("equal", "measured")


def subjects_of(state: State, epoch: Epoch, record: VerdictRecord) -> tuple[TierSubject, ...]:
    """What the ledger says of an idea at each tier before the last, in their order.

    A rerun has the results of the idea that it goes on with.
    """
    first = record
    while first.continues in state.ideas:
        first = state.ideas[first.continues]
    found: list[TierSubject] = []
    for tier in epoch.config.screening:
        result = state.results.get(record.epoch, first.number, tier.name)
        if result is not None:
            found.append(_of_result(result))
        elif tier.name == record.tier and record.verdict in ("crashed", "rejected") and _ran(record):
            found.append(TierSubject(tier.name, tier.seeds))
    return tuple(found)


def subjects_of_lock(epoch: Epoch, lock: LockRecord) -> tuple[TierSubject, ...]:
    """The same of the commit that a lock scored, of which the values of single seeds are not kept."""
    return tuple(
        TierSubject(tier.name, tier.seeds, (), known.value, known.metrics)
        for tier in epoch.config.screening
        if (known := lock.tiers.get(tier.name)) is not None
    )


async def score_tier_again(
    then: Lab, epoch: Epoch, lock: LockRecord, tree: str, number: int, subject: TierSubject, changed: bool
) -> TierRerun:
    """Score a tree again at a tier, on the seeds, with the limits and in the sandbox of that tier.

    Args:
        then: The lab as it was in the epoch.
        epoch: The epoch.
        lock: Its record.
        tree: The candidate's.
        number: The idea's; 0 for the baseline.
        subject: What the ledger says.
        changed: This machine is not as the epoch was locked.

    Raises:
        SandboxUnavailable: The sandbox broke.
        LabError: The tier's sandbox cannot be had here.
    """
    here = then.at(subject.tier)
    scores: list[Score] = []
    sandbox = here.sandbox()
    try:
        await sandbox.probe()
        runner = here.runner_of(sandbox, epoch.snapshot, epoch.lock.terms.files)
        runner = runner.with_tests(lock.tests_of.get(subject.tier, ()))
        for seed in subject.seeds:
            scores.append((await score_tree(here, runner, tree, number, seed)).score)
            if scores[-1].value is None:
                break
    finally:
        await sandbox.close()
    tier = next(tier for tier in epoch.config.screening if tier.name == subject.tier)
    return _compared(tier, subject, scores, changed)


def _of_result(result: TierRecord) -> TierSubject:
    return TierSubject(result.tier, result.seeds, result.values, result.value, result.metrics)


def _ran(record: VerdictRecord) -> bool:
    return bool(record.sandbox) or record.duplicate_of is not None


def _compared(tier: Tier, subject: TierSubject, scores: Sequence[Score], changed: bool) -> TierRerun:
    metric = tier.config.scorer.metric
    values = tuple(score.value for score in scores if score.value is not None)
    whole = len(values) == len(subject.seeds)
    found = Pairs(values, values).value if whole else None
    measured = metric in USAGE_METRICS and found is not None and subject.value is not None
    same = found == subject.value and (not subject.values or subject.values == values)
    further = differing(subject.metrics, scores[0].metrics) if whole and subject.metrics else {}
    agrees = not further and (same or measured)
    outcome: Outcome = "environment" if changed else "different"
    if agrees:
        outcome = "measured" if measured else "equal"
    lines = _told(tier, subject, scores, values, found, same=same, measured=measured)
    told = f"at the tier {tier.name}, {''.join(lines)}"
    if further:
        told += f"; further metrics differ: {', '.join(further)}"
    return TierRerun(tier.name, metric, subject.seeds, subject.value, found, outcome, told)


def _told(
    tier: Tier,
    subject: TierSubject,
    scores: Sequence[Score],
    values: tuple[float, ...],
    found: float | None,
    *,
    same: bool,
    measured: bool,
) -> Iterator[str]:
    seeds = f"seed {subject.seeds[0]}" if len(subject.seeds) == 1 else f"{len(subject.seeds)} seeds"
    metric = tier.config.scorer.metric
    yield f"{seeds}, sandbox {scores[0].sandbox}: "
    if subject.value is None and found is None:
        yield f"it had no score, and has none now ({scores[-1].reason.partition(chr(10))[0]})"
        return
    if measured:
        yield f"{metric} is measured anew each time and not compared: {subject.value!r} then, {found!r} now"
        return
    if same:
        yield f"{metric} {found!r}, as recorded, to the last bit"
        if isinstance(tier.promote, Decided) and subject.values:
            yield "; the champion's scores that it was compared with were not made again"
        return
    pairs = zip(subject.seeds, subject.values, values, strict=False)
    place = next((f" on seed {seed}" for seed, old, new in pairs if old != new), "")
    why = f" ({scores[-1].reason.partition(chr(10))[0]})" if found is None else ""
    then = "no score" if subject.value is None else repr(subject.value)
    yield f"{metric} recorded {then}, found {'no score' if found is None else repr(found)}{place}{why}"
