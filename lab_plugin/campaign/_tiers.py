"""The tiers of a campaign: where each runs, and what makes its scores."""

from __future__ import annotations

from lab_plugin.campaign._curves import open_pruning
from lab_plugin.campaign._means import Means
from lab_plugin.campaign._screening import ScreeningDesk
from lab_plugin.campaign._trials import TrialDesk
from lab_plugin.config import Tier
from lab_plugin.epoch import snapshot_of
from lab_plugin.lab import Lab
from lab_plugin.ledger import OpenCampaign
from lab_plugin.scheduling import Stage


def stages_of(tiers: tuple[Tier, ...]) -> list[Stage]:
    """The tiers as the schedule sees them."""
    return [Stage(tier.name, tier.promote, tier.config.scorer.goal) for tier in tiers]


def trials_of(lab: Lab, means: Means) -> TrialDesk:
    """What runs trials at a tier.

    Args:
        lab: The lab, as it is at this tier.
        means: What its campaign works with.
    """
    folder, pruning = lab.folder / "trials", open_pruning(lab)
    if pool := lab.config.tiers[-1].pool:
        assert means.fleet is not None
        return TrialDesk(lab, means.fleet.runner(lab.config.tier, pool), lab.pool, folder, pruning)
    record, lock = means.locked
    tests = record.tests_of.get(lab.config.tier, ()) if lab.config.tier in record.tiers else record.tests
    sandbox = means.sandboxes.get(lab.config.tier) or means.sandboxes[""]
    runner = lab.runner_of(sandbox, snapshot_of(lab, record), lock.terms.files).with_tests(tests)
    return TrialDesk(lab, runner.with_slots(means.slots), lab.pool, folder, pruning)


def screening_desks(lab: Lab, view: OpenCampaign, means: Means) -> dict[str, ScreeningDesk]:
    """The desks of all tiers before the last, by name.

    Args:
        lab: The lab.
        view: The campaign by the ledger.
        means: What it works with.
    """
    desks: dict[str, ScreeningDesk] = {}
    for tier in lab.config.screening:
        here = lab.at(tier.name)
        trials = trials_of(here, means)
        desks[tier.name] = ScreeningDesk(here, tier, means.locked.record, trials, view.budget)
    return desks
