"""What a record must be, given all records before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from lab_plugin.decision import Pairs
from lab_plugin.errors import LedgerError
from lab_plugin.idea import Idea
from lab_plugin.ledger._fault import Fault
from lab_plugin.ledger._records import (
    CampaignRecord,
    Comparison,
    ConfirmationRecord,
    ImportRecord,
    LockRecord,
    Record,
    TierRecord,
    VerdictRecord,
)
from lab_plugin.ledger._state import State
from lab_plugin.ledger._tier_rules import passage_faults, tier_faults

_LOSERS = ("crashed", "rejected")


def record_faults(lab: str, state: State, record: Record) -> Iterator[Fault]:
    """Check a record against the state before it.

    Args:
        lab: The lab's name.
        state: All records before it, folded.
        record: The record.
    """
    match record:
        case LockRecord():
            yield from _lock_faults(lab, state, record)
        case CampaignRecord():
            yield from _campaign_faults(state, record)
        case TierRecord():
            yield from tier_faults(state, record)
        case VerdictRecord():
            yield from _verdict_faults(lab, state, record)
            yield from passage_faults(state, record)
        case ConfirmationRecord():
            yield from _confirmation_faults(state, record)
        case ImportRecord():
            yield from _import_faults(state, record)


def proposal_faults(record: VerdictRecord, message: bytes) -> Iterator[Fault]:
    """Check a verdict against the proposal that its candidate's commit tells of.

    Args:
        record: The verdict.
        message: Of the candidate's commit.
    """
    try:
        idea = Idea.proposed(record.commit, message.decode("utf-8", "replace"))
    except LedgerError:
        yield Fault(f"the candidate {record.commit[:12]} holds no proposal that can be read")
        return
    same: dict[str, tuple[Any, Any]] = {
        "number": (idea.number, record.number),
        "slug": (idea.slug, record.slug),
        "title": (idea.title, record.title),
        "hypothesis": (idea.hypothesis, record.hypothesis),
        "strategy": (idea.strategy, record.strategy),
        "parents": ((idea.parent,), record.parents),
        "usd": (idea.usd, record.usd),
    }
    for name, (expected, found) in same.items():
        if expected != found:
            yield Fault(f"its {name} is not that of the proposal", _shown(expected), _shown(found))
    # An idea that was left open is taken over by a later campaign.
    if idea.campaign > record.campaign or idea.epoch > record.epoch:
        yield Fault(
            "its idea is from a later campaign or epoch",
            f"at least campaign {idea.campaign}, epoch {idea.epoch}",
            f"campaign {record.campaign}, epoch {record.epoch}",
        )
    planned = [(point.tree, point.params) for point in idea.points]
    if (record.tree, record.params) not in planned:
        yield Fault("its tree and parameters are no point of the proposal", _shown(planned), record.tree)
    if record.points and [(point.tree, point.params) for point in record.points] != planned:
        yield Fault("its points are not those of the proposal")


def _lock_faults(lab: str, state: State, record: LockRecord) -> Iterator[Fault]:
    if record.lab != lab:
        yield Fault(f"it is a lock of the lab {record.lab}", lab, record.lab)
    following = (state.lock.epoch if state.lock else 0) + 1
    if record.epoch != following:
        yield Fault(f"epoch {record.epoch} does not follow the one before", str(following), str(record.epoch))
    champion = state.champion
    known = (0, "") if champion is None else (champion.number, champion.commit)
    if record.champion and (record.champion, record.commit) != known:
        yield Fault(
            f"it scores idea {record.champion} as the champion, which was another",
            f"idea {known[0]}, commit {known[1] or 'none'}",
            f"idea {record.champion}, commit {record.commit}",
        )
    yield from _metric_faults(record.metric, record)


def _campaign_faults(state: State, record: CampaignRecord) -> Iterator[Fault]:
    campaign, number = state.campaign, record.campaign
    if state.lock is None:
        yield Fault(f"campaign {number} is {record.event} before the first lock")
    if record.event == "opened":
        if number != state.next_campaign:
            yield Fault("its number does not follow", str(state.next_campaign), str(number))
        if campaign is not None:
            yield Fault(f"campaign {number} is opened while campaign {campaign.number} is")
        return
    if campaign is None or campaign.number != number:
        yield Fault(
            f"campaign {number} is {record.event} but was not open",
            f"campaign {campaign.number}" if campaign else "no campaign",
            f"campaign {number}",
        )
        return
    fixed = (campaign.strategy, campaign.fresh, campaign.history_from)
    if fixed != (record.strategy, record.fresh, record.history_from):
        yield Fault(f"campaign {number} changes its strategy or its history", _shown(fixed))
    if record.event == "closed" and record.budget != campaign.budget:
        yield Fault("it closes with another budget", _shown(dict(campaign.budget)), _shown(record.budget))
    if record.seconds < campaign.spent.seconds:
        yield Fault("it lost time", f"at least {campaign.spent.seconds} s", f"{record.seconds} s")


def _confirmation_faults(state: State, record: ConfirmationRecord) -> Iterator[Fault]:
    champion, epoch = state.champion, state.lock.epoch if state.lock else 0
    known = (0, "") if champion is None else (champion.number, champion.commit)
    if (record.champion, record.commit) != known or record.epoch != epoch:
        yield Fault(
            f"it confirms idea {record.champion} of epoch {record.epoch}, which was not the champion",
            f"idea {known[0]}, commit {known[1] or 'none'}, epoch {epoch}",
            f"idea {record.champion}, commit {record.commit}, epoch {record.epoch}",
        )
    if not len(record.seeds) == len(record.candidate) == len(record.against) == len(set(record.seeds)) > 0:
        yield Fault("it has not one pair for each seed")
        return
    # The mean of the differences, as `decision.confirm` takes it.
    pairs = Pairs(record.candidate, record.against).differences()
    mean = math.fsum(part / len(pairs) for part in pairs)
    if record.difference != (mean if math.isfinite(mean) else None):
        yield Fault("its difference is not that of its scores", repr(mean), repr(record.difference))


def _import_faults(state: State, record: ImportRecord) -> Iterator[Fault]:
    epoch, goal = (state.lock.epoch, state.lock.goal) if state.lock else (0, record.goal)
    if record.epoch != epoch:
        yield Fault("it was imported in another epoch than that of its time", str(epoch), str(record.epoch))
    if record.comparable and record.goal != goal:
        yield Fault("it is said to be on the scale of a metric with another goal", goal, record.goal)
    if not 0 <= record.valued <= record.rows or record.rows == 0:
        yield Fault("it has no rows, or more values than rows", "", f"{record.valued} of {record.rows}")


def _verdict_faults(lab: str, state: State, record: VerdictRecord) -> Iterator[Fault]:
    number, lock, campaign = record.number, state.lock, state.campaign
    if number < 1:
        yield Fault("the number of an idea is 1 or more", "", str(number))
    if number in state.ideas:
        yield Fault(f"idea {number} has a second verdict")
    branch = f"lab/{lab}/ideas/{number:04d}-{record.slug}"
    if record.branch != branch:
        yield Fault(f"idea {number} has another branch than its name says", branch, record.branch)
    scorer = (lock.epoch, lock.digest) if lock else None
    if scorer != (record.epoch, record.digest):
        yield Fault(
            f"idea {number} was not scored under the lock in force",
            f"epoch {scorer[0]}, digest {scorer[1]}" if scorer else "no lock",
            f"epoch {record.epoch}, digest {record.digest}",
        )
    if campaign is None or campaign.number != record.campaign:
        yield Fault(f"idea {number} belongs to campaign {record.campaign}, which was not open")
    twin = record.duplicate_of
    if twin is not None and twin != 0 and twin not in state.ideas:
        yield Fault(f"idea {number} is a duplicate of idea {twin}, which has no verdict before it")
    if lock is not None:
        yield from _metric_faults(lock.metric, record)
    yield from _value_faults(state, record)


def _value_faults(state: State, record: VerdictRecord) -> Iterator[Fault]:
    number, champion = record.number, state.champion
    if record.verdict in _LOSERS and record.value is not None:
        yield Fault(f"idea {number} is {record.verdict} and has a value", "none", repr(record.value))
    if record.verdict == "kept" and record.value is None:
        yield Fault(f"idea {number} is kept without a value")
    against = record.champion_value
    compared = against is not None or record.verdict == "kept"
    if record.comparison is not None:
        yield from _comparison_faults(state, record, record.comparison)
    elif champion is not None and compared and against != champion.value:
        yield Fault(
            f"idea {number} was not compared with the champion of its time, idea {champion.number}",
            repr(champion.value),
            repr(against),
        )
    yield from _difference_faults(record)
    yield from _pruned_faults(record)
    sealed = record.holdout.champion_value if record.holdout else None
    if champion is not None and sealed is not None and sealed != champion.holdout:
        yield Fault(
            f"the hold-out of idea {number} was not compared with that of the champion",
            _shown(champion.holdout),
            _shown(sealed),
        )


def _pruned_faults(record: VerdictRecord) -> Iterator[Fault]:
    """Check that what was pruned has no value and was not decided by any."""
    number = record.number
    if record.pruned is not None:
        if record.verdict != "reverted":
            yield Fault(f"idea {number} was pruned and is not reverted", "reverted", record.verdict)
        if (
            record.value is not None
            or record.metrics
            or record.comparison
            or record.champion_value is not None
        ):
            yield Fault(f"idea {number} was pruned and has a value")
    for index, point in enumerate(record.points, start=1):
        if (point.status == "pruned") != (point.pruned is not None):
            yield Fault(f"point {index} of idea {number} does not tell where it was pruned", "", point.status)
        elif point.pruned is not None and (point.value is not None or point.metrics):
            yield Fault(f"point {index} of idea {number} was pruned and has a value")


def _comparison_faults(state: State, record: VerdictRecord, found: Comparison) -> Iterator[Fault]:
    """Check that a verdict's values are the means of the scores that it was decided by."""
    number, champion = record.number, state.champion
    if champion is not None and found.champion != champion.number:
        yield Fault(
            f"idea {number} was not compared with the champion of its time, idea {champion.number}",
            f"idea {champion.number}",
            f"idea {found.champion}",
        )
    metric = state.lock.metric if state.lock else ""
    lengths = {len(values) for values in (*found.candidate.values(), *found.against.values())}
    if lengths != {len(found.seeds)} or found.candidate.keys() != found.against.keys() or not found.seeds:
        yield Fault(f"the comparison of idea {number} has not one pair for each seed")
        return
    if len(set(found.seeds)) != len(found.seeds):
        yield Fault(f"the comparison of idea {number} counts a seed twice")
    if metric not in found.candidate:
        yield Fault(f"the comparison of idea {number} lacks the metric {metric}")
        return
    pairs = Pairs(found.candidate[metric], found.against[metric])
    means: dict[str, tuple[float, float | None]] = {
        "value": (pairs.value, record.value),
        "champion's value": (pairs.reference, record.champion_value),
    }
    for name, (expected, value) in means.items():
        if expected != value:
            yield Fault(
                f"the {name} of idea {number} is not the mean of its scores", repr(expected), repr(value)
            )


def _difference_faults(record: VerdictRecord) -> Iterator[Fault]:
    if record.difference is None:
        return
    if record.value is None or record.champion_value is None:
        yield Fault("it has a difference of nothing", "none", repr(record.difference))
        return
    # One subtraction of floats is rounded correctly, and so the exact difference as a float.
    exact = record.value - record.champion_value
    if record.difference != exact:
        yield Fault("its difference is not value minus champion", repr(exact), repr(record.difference))


def _metric_faults(metric: str, record: LockRecord | VerdictRecord) -> Iterator[Fault]:
    known = record.metrics.get(metric, record.value)
    found = record.comparison if isinstance(record, VerdictRecord) else None
    if found is not None and metric in found.candidate and found.seeds[:1] == (record.seed,):
        if known != found.candidate[metric][0]:
            first = repr(found.candidate[metric][0])
            yield Fault(f"its metric {metric} is not that of its first run", first, repr(known))
    elif found is None and known != record.value:
        yield Fault(f"its value is not its metric {metric}", repr(known), repr(record.value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
