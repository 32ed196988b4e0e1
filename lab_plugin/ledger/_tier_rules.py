"""What the result of an idea at a tier must be, given all records before it."""

from __future__ import annotations

from collections.abc import Iterator

from lab_plugin.decision import Pairs
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
    yield from _value_faults(told, record)


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
    elif record.tier in names and record.value is not None:
        what = f"idea {record.number} never reached the tier that decides, and has a value"
        yield Fault(what, "none", repr(record.value))


def _value_faults(told: str, record: TierRecord) -> Iterator[Fault]:
    if not len(record.seeds) == len(record.values) == len(set(record.seeds)) > 0:
        yield Fault(f"{told} has not one value for each seed")
        return
    mean = Pairs(record.values, record.values).value
    if mean != record.value:
        yield Fault(f"the value of {told} is not the mean of its scores", repr(mean), repr(record.value))
