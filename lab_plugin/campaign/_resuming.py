"""A campaign's schedule, rebuilt from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, Record, TierRecord, VerdictRecord
from lab_plugin.scheduling import Schedule


def replay(lab: Lab, schedule: Schedule, campaign: int, ideas: Mapping[int, Idea]) -> None:
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
    results = [entry.record for entry in lab.ledger.records()]
    if lab.config.screening:
        _replay_results(schedule, results, state.lock, campaign, ideas)
    for number, record in state.ideas.items():
        schedule.decided(number, record.verdict)
    for number, idea in sorted(ideas.items()):
        tier = len(lab.config.screening) if idea.continues else 0
        schedule.offer(number, priority=idea.priority, after=idea.conditions, tier=tier)


def _replay_results(
    schedule: Schedule, records: Iterable[Record], lock: LockRecord, campaign: int, ideas: Mapping[int, Idea]
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
    earlier = [record for record in others if record.number in taken]
    earlier.sort(key=lambda record: record.number)
    for record in (*earlier, *ours):
        if isinstance(record, VerdictRecord):
            schedule.decided(record.number, record.verdict)
            continue
        schedule.offer(record.number, started=True)
        if schedule.result(record.number, record.value, record.passed):
            schedule.give_back(record.number)
