"""The tiers of a campaign: where each runs, and what makes its scores."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.campaign._curves import open_pruning
from lab_plugin.campaign._fleet import Fleet
from lab_plugin.campaign._screening import ScreeningDesk
from lab_plugin.campaign._trials import TrialDesk
from lab_plugin.config import Tier
from lab_plugin.epoch import snapshot_of
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, OpenCampaign
from lab_plugin.sandbox import Sandbox
from lab_plugin.scheduling import Stage
from lab_plugin.scorer import Lock
from lab_plugin.slots import Slots


def stages_of(tiers: tuple[Tier, ...]) -> list[Stage]:
    """The tiers as the schedule sees them."""
    return [Stage(tier.name, tier.promote, tier.config.scorer.goal) for tier in tiers]


def trials_of(
    lab: Lab,
    sandboxes: Mapping[str, Sandbox],
    record: LockRecord,
    lock: Lock,
    slots: Slots,
    fleet: Fleet | None = None,
) -> TrialDesk:
    """What runs trials at a tier.

    Args:
        lab: The lab, as it is at this tier.
        sandboxes: Of the tiers before the last by name, and of the last one under "".
        record: The lock in force.
        lock: Its `lab.lock`.
        slots: The machine's cores and cards.
        fleet: What runs it where the tier has a pool.
    """
    folder, pruning = lab.folder / "trials", open_pruning(lab)
    if pool := lab.config.tiers[-1].pool:
        assert fleet is not None
        return TrialDesk(lab, fleet.runner(lab.config.tier, pool), lab.pool, folder, pruning)
    tests = record.tests_of.get(lab.config.tier, ()) if lab.config.tier in record.tiers else record.tests
    sandbox = sandboxes.get(lab.config.tier) or sandboxes[""]
    runner = lab.runner_of(sandbox, snapshot_of(lab, record), lock.terms.files).with_tests(tests)
    return TrialDesk(lab, runner.with_slots(slots), lab.pool, folder, pruning)


def screening_desks(
    lab: Lab,
    sandboxes: Mapping[str, Sandbox],
    record: LockRecord,
    lock: Lock,
    slots: Slots,
    view: OpenCampaign,
    fleet: Fleet | None = None,
) -> dict[str, ScreeningDesk]:
    """The desks of all tiers before the last, by name.

    Args:
        lab: The lab.
        sandboxes: Of these tiers, by name.
        record: The lock in force.
        lock: Its `lab.lock`.
        slots: The machine's cores and cards.
        view: The campaign.
        fleet: What runs the tiers that have a pool.
    """
    desks: dict[str, ScreeningDesk] = {}
    for tier in lab.config.screening:
        here = lab.at(tier.name)
        trials = trials_of(here, sandboxes, record, lock, slots, fleet)
        desks[tier.name] = ScreeningDesk(here, tier, record, trials, view.budget)
    return desks
