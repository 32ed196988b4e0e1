"""The tiers of a campaign: where each runs, and what makes its scores."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.campaign._curves import open_pruning
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


def trials_of(lab: Lab, sandbox: Sandbox, record: LockRecord, lock: Lock, slots: Slots) -> TrialDesk:
    """What runs trials at a tier.

    Args:
        lab: The lab, as it is at this tier.
        sandbox: Of this tier.
        record: The lock in force.
        lock: Its `lab.lock`.
        slots: The machine's cores and cards.
    """
    tests = record.tests_of.get(lab.config.tier, ()) if lab.config.tier in record.tiers else record.tests
    runner = lab.runner_of(sandbox, snapshot_of(lab, record), lock.terms.files).with_tests(tests)
    runner = runner.with_slots(slots)
    return TrialDesk(lab, runner, lab.pool, lab.folder / "trials", open_pruning(lab))


def screening_desks(
    lab: Lab,
    sandboxes: Mapping[str, Sandbox],
    record: LockRecord,
    lock: Lock,
    slots: Slots,
    view: OpenCampaign,
) -> dict[str, ScreeningDesk]:
    """The desks of all tiers before the last, by name.

    Args:
        lab: The lab.
        sandboxes: Of these tiers, by name.
        record: The lock in force.
        lock: Its `lab.lock`.
        slots: The machine's cores and cards.
        view: The campaign.
    """
    desks: dict[str, ScreeningDesk] = {}
    for tier in lab.config.screening:
        here = lab.at(tier.name)
        trials = trials_of(here, sandboxes[tier.name], record, lock, slots)
        desks[tier.name] = ScreeningDesk(here, tier, record, trials, view.budget)
    return desks
