"""What a campaign goes on with: its open ideas, and its schedule, rebuilt from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lab_plugin.campaign._agenda import Agenda
from lab_plugin.campaign._ideas import IdeaDesk
from lab_plugin.errors import LedgerError
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, Record, TierRecord, VerdictRecord
from lab_plugin.scheduling import Schedule


class Taken(NamedTuple):
    """What a campaign goes on with.

    Attributes:
        ideas: Open ideas by number; of several points, since one went on, as that one.
        trees: Of all their points.
        set_aside: A sentence for each open idea that cannot be read back, and is left alone.
    """

    ideas: dict[int, Idea]
    trees: set[str]
    set_aside: tuple[str, ...]


def take_over(lab: Lab, agenda: Agenda, desk: IdeaDesk, campaign: int) -> Taken:
    """Go on with the ideas that are open: each from where the ledger has it.

    Args:
        lab: The lab.
        agenda: New.
        desk: Reads open ideas.
        campaign: The campaign's number.
    """
    state = lab.ledger.state()
    assert state.lock is not None
    epoch = state.lock.epoch
    left_open, set_aside = desk.left_open(campaign, epoch)
    trees = {point.tree for idea in left_open for point in idea.points}
    ideas = {idea.number: idea for idea in left_open}
    _replay(lab, agenda.schedule, campaign, ideas)
    for result in (result for result in state.results if result.number in ideas):
        if result.epoch == epoch and len(ideas[result.number].points) > 1:
            ideas[result.number] = desk.narrowed(ideas[result.number], result.tree)
    agenda.grant()
    return Taken(ideas, trees, tuple(set_aside))


def _replay(lab: Lab, schedule: Schedule, campaign: int, ideas: Mapping[int, Idea]) -> None:
    """Tell a schedule what the ledger knows, in its order, and offer it the ideas that are open.

    Ideas of an earlier campaign that were open when this one began count first, by their numbers.

    Args:
        lab: The lab.
        schedule: New.
        campaign: The campaign's number.
        ideas: Open ideas by number.
    """
    state = lab.ledger.state()
    assert state.lock is not None
    if lab.config.screening:
        tiers = [tier.name for tier in lab.config.screening]
        records = (entry.record for entry in lab.ledger.records())
        _replay_results(schedule, tiers, records, state.lock, campaign, ideas)
    for number, record in state.ideas.items():
        schedule.decided(number, record.verdict)
    for number, idea in sorted(ideas.items()):
        tier = len(lab.config.screening) if idea.continues else 0
        schedule.offer(number, priority=idea.priority, after=idea.conditions, tier=tier)


def _replay_results(
    schedule: Schedule,
    tiers: Sequence[str],
    records: Iterable[Record],
    lock: LockRecord,
    campaign: int,
    ideas: Mapping[int, Idea],
) -> None:
    ours: list[TierRecord | VerdictRecord] = []
    others: list[TierRecord] = []
    for record in records:
        if isinstance(record, TierRecord | VerdictRecord) and record.epoch == lock.epoch:
            if record.campaign == campaign:
                ours.append(record)
            elif isinstance(record, TierRecord):
                others.append(record)
    # All that had no verdict when this campaign began.
    taken = ideas.keys() | {record.number for record in ours}
    # Each counts at the last tier that it had reached: it went on from those before.
    earlier = {record.number: record for record in others if record.number in taken}
    for number, record in sorted(earlier.items()):
        schedule.offer(number, started=True, tier=tiers.index(record.tier))
        _count(schedule, record)
    for each in ours:
        if isinstance(each, VerdictRecord):
            if each.number in schedule:
                _catch_up(schedule, each)
            schedule.decided(each.number, each.verdict)
            continue
        schedule.offer(each.number, started=True)
        _catch_up(schedule, each)
        _count(schedule, each)


def _count(schedule: Schedule, record: TierRecord) -> None:
    if schedule.result(record.number, record.value, record.passed):
        schedule.give_back(record.number)


def _catch_up(schedule: Schedule, record: TierRecord | VerdictRecord) -> None:
    """Have the last word of tiers said again that said it before a result or verdict at a later tier."""
    while schedule.tier_of(record.number) != record.tier:
        before = schedule.tier_of(record.number)
        schedule.finish()
        if schedule.tier_of(record.number) == before:
            raise LedgerError(
                f"Idea {record.number} came to the tier {record.tier}, and was not due to go on "
                f"from {before}.",
                "Run `lab verify`.",
            )
