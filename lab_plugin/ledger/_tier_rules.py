"""What the result of an idea at a tier must be, given all records before it."""

from __future__ import annotations

from collections.abc import Iterator

from lab_plugin.decision import Pairs
from lab_plugin.errors import LedgerError
from lab_plugin.idea import Idea
from lab_plugin.ledger._fault import Fault
from lab_plugin.ledger._records import TierRecord, VerdictRecord
from lab_plugin.ledger._state import State


def tier_faults(state: State, record: TierRecord) -> Iterator[Fault]:
    """Check a result against the state before it."""
    number, lock, campaign = record.number, state.lock, state.campaign
    told = f"idea {number} at the tier {record.tier}"
    if number < 1:
        yield Fault("the number of an idea is 1 or more", "", str(number))
    if number in state.ideas:
        yield Fault(f"{told} has a result after its verdict")
    if state.results.get(record.epoch, number, record.tier) is not None:
        yield Fault(f"{told} has a second result")
    scorer = (lock.epoch, lock.digest) if lock else None
    if scorer != (record.epoch, record.digest):
        yield Fault(
            f"{told} was not scored under the lock in force",
            f"epoch {scorer[0]}, digest {scorer[1]}" if scorer else "no lock",
            f"epoch {record.epoch}, digest {record.digest}",
        )
    if lock is not None and record.tier not in lock.tiers:
        known = ", ".join(lock.tiers) or "none"
        yield Fault(f"{told} is at no tier of the lock before the last", known, record.tier)
    if campaign is None or campaign.number != record.campaign:
        yield Fault(f"{told} belongs to campaign {record.campaign}, which was not open")
    yield from _tree_faults(state, record)
    yield from _twin_faults(state, record)
    yield from _value_faults(told, record)


def scored_faults(record: TierRecord, message: bytes) -> Iterator[Fault]:
    """Check a result against the proposal that its idea's commit tells of.

    Args:
        record: The result.
        message: Of the idea's commit.
    """
    told = f"idea {record.number} at the tier {record.tier}"
    try:
        idea = Idea.proposed(record.commit, message.decode("utf-8", "replace"))
    except LedgerError:
        yield Fault(f"the commit {record.commit[:12]} of {told} holds no proposal that can be read")
        return
    if (idea.number, idea.slug) != (record.number, record.slug):
        expected, found = f"{idea.number} {idea.slug}", f"{record.number} {record.slug}"
        yield Fault(f"the commit of {told} is the proposal of another idea", expected, found)
    planned = [(point.tree, point.params) for point in idea.points]
    if (record.tree, record.params) not in planned:
        yield Fault(f"the tree and the parameters of {told} are no point of its proposal")
    if record.points and [(point.tree, point.params) for point in record.points] != planned:
        yield Fault(f"the points of {told} are not those of its proposal")


def passage_faults(state: State, record: VerdictRecord) -> Iterator[Fault]:
    """Check that a verdict tells of the tiers that its idea has results of, and of no others."""
    names = state.lock.tiers if state.lock is not None else ()
    found = {name: result.value for name in names if (result := state.result(record.number, name))}
    if record.tiers != found:
        what = f"the values of idea {record.number} at its tiers are not those of its results"
        yield Fault(what, repr(found), repr(record.tiers))
    if state.lock is not None and record.tier not in (*names, state.lock.tier):
        known = ", ".join((*names, state.lock.tier))
        yield Fault(f"idea {record.number} was decided at a tier that the lock lacks", known, record.tier)
    elif record.tier in names:
        yield from _stopped_faults(state, record)
    for name in record.tiers:
        result = state.result(record.number, name)
        if result is not None and (result.tree, result.params) != (record.tree, record.params):
            what = f"idea {record.number} was decided by another point than went on from the tier {name}"
            yield Fault(what, result.tree, record.tree)


def _stopped_faults(state: State, record: VerdictRecord) -> Iterator[Fault]:
    """What a verdict cannot tell of an idea that never reached the tier that decides."""
    told = f"idea {record.number} never reached the tier that decides"
    numbers = {
        "value": record.value,
        "champion's value": record.champion_value,
        "difference": record.difference,
        "comparison": record.comparison,
        "hold-out": record.holdout,
        "metrics": record.metrics or None,
        "value of a point": next((point.value for point in record.points if point.value is not None), None),
    }
    for name, number in numbers.items():
        if number is not None:
            yield Fault(f"{told}, and has a {name}", "none", repr(number)[:200])
    if record.continues:
        yield Fault(f"{told}, and is the rerun of idea {record.continues}")
    passed = state.result(record.number, record.tier) is not None
    if passed and record.verdict not in ("reverted", "inconclusive"):
        what = f"idea {record.number} has a result at the tier where it ended, and was {record.verdict}"
        yield Fault(what, "reverted", record.verdict)
    elif not passed and record.pruned is None and record.verdict in ("kept", "reverted"):
        what = f"idea {record.number} was {record.verdict} at the tier {record.tier} without a result there"
        yield Fault(what)


def _tree_faults(state: State, record: TierRecord) -> Iterator[Fault]:
    """One point of an idea goes through the tiers."""
    told = f"idea {record.number} at the tier {record.tier}"
    for name in state.lock.tiers if state.lock is not None else ():
        before = state.result(record.number, name)
        if before is not None and (before.tree, before.params) != (record.tree, record.params):
            yield Fault(f"{told} is another point than at the tier {name}", before.tree, record.tree)
    if record.points:
        # Of several points the one that goes on is told by its first score.
        first = next((point.value for point in record.points if point.tree == record.tree), None)
        if record.values and first != record.values[0]:
            yield Fault(f"{told} has another first score than its point", repr(first), repr(record.values[0]))


def _twin_faults(state: State, record: TierRecord) -> Iterator[Fault]:
    """The idea that answers for another has a result there, of the same tree."""
    twin = record.duplicate_of
    if not twin:
        return
    known = state.result(twin, record.tier)
    if known is None or known.tree != record.tree:
        told = f"idea {record.number} at the tier {record.tier}"
        yield Fault(f"{told} is a duplicate of idea {twin}, which has no such result before it")


def _value_faults(told: str, record: TierRecord) -> Iterator[Fault]:
    if not len(record.seeds) == len(record.values) == len(set(record.seeds)) > 0:
        yield Fault(f"{told} has not one value for each seed")
        return
    mean = Pairs(record.values, record.values).value
    if mean != record.value:
        yield Fault(f"the value of {told} is not the mean of its scores", repr(mean), repr(record.value))
