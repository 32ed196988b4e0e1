"""Opening a campaign: take the lab, go on with what a dead process left, or begin anew; and let go of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Literal

from lab_plugin import events
from lab_plugin.budget import Budget
from lab_plugin.campaign._campaign import Campaign
from lab_plugin.campaign._control import Control
from lab_plugin.campaign._fleet import Fleet, open_fleet
from lab_plugin.campaign._means import Means
from lab_plugin.campaign._plan import Plan
from lab_plugin.errors import FleetError, LabError, RepositoryError
from lab_plugin.feedback import Feedback
from lab_plugin.guidance import Guide
from lab_plugin.importing import priors
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import mend_branches, require_branches
from lab_plugin.ledger import CampaignRecord, OpenCampaign, TierRecord, VerdictRecord
from lab_plugin.lock_in_force import LockInForce, require_lock
from lab_plugin.promotion import can_fire
from lab_plugin.proposers import Proposer
from lab_plugin.remote import Dispatcher
from lab_plugin.repository import HEARTBEAT_SECONDS, Lease
from lab_plugin.sandbox import Sandbox, warning
from lab_plugin.scratch import short_parent, sweep_scratch
from lab_plugin.sharing import held, take_in
from lab_plugin.slots import SlottedSandbox, open_slots
from lab_plugin.strategy import open_strategy
from lab_plugin.tier_sandboxes import tier_sandboxes
from lab_plugin.timestamps import utc_now

_TOLD_SECONDS = 1.0
_running: dict[str, Campaign] = {}


def running(lab: str) -> Campaign:
    """The campaign that this process runs on a lab.

    Args:
        lab: The lab's folder.

    Raises:
        LabError: There is none.
    """
    try:
        return _running[lab]
    except KeyError:
        raise LabError(f"This process runs no campaign on {lab}.", "Start one with `lab run`.") from None


@asynccontextmanager
async def open_campaign(
    lab: Lab, plan: Plan, guide: Guide | None = None, dispatcher: Dispatcher | None = None
) -> AsyncIterator[Campaign]:
    """Hold the lab for as long as the context lasts.

    An open campaign goes on with its budget and its open ideas; otherwise a new one is opened. Leaving the
    context closes the campaign when its budget is spent, and always lets the lab go.

    Args:
        lab: The lab; closed at the end.
        plan: What is asked of the campaign.
        guide: Asked about each proposal before it runs; None for nobody.
        dispatcher: Brings the trials of tiers with a pool to workers.

    Raises:
        LeaseHeld: Another campaign holds the lab, here or in another clone; or took it over meanwhile.
        LockError: The lab is not locked, or the scorer changed.
        ConfigError: The lab's programs need more cores or cards than there are.
        ProposerError: The strategy is unknown or misconfigured.
        FleetError: A tier has a pool, and workers cannot be reached from here.
        RemoteError: The lab's git remote refuses.
    """
    async with AsyncExitStack() as stack:
        stack.callback(lab.close)
        await asyncio.to_thread(take_in, lab)
        locked = require_lock(lab)
        control = Control(lab)
        slots = open_slots(lab.config, plan.jobs, control)
        require_branches(lab)
        lab.ledger.require_signing()
        sandbox = lab.sandbox()
        stack.push_async_callback(sandbox.close)
        await sandbox.probe()
        held_lab = await stack.enter_async_context(held(lab, "lab run"))
        lease = held_lab.lease
        mend_branches(lab, lease)
        if lab.ledger.state().lock != locked.record:
            # Another clone locked anew, which came with the lease.
            locked = require_lock(lab)
        _sweep(lab)
        before = lab.ledger.state().campaign
        view = _begin(lab, plan, lease)
        resumed = before is not None and before.number == view.number
        sandboxes = await stack.enter_async_context(tier_sandboxes(lab, sandbox, pooled=False))
        fleet = await _open_fleet(lab, locked, dispatcher, control)
        means = Means(
            sandboxes={**sandboxes, "": sandbox},
            lease=lease,
            locked=locked,
            proposer=_proposer(lab, SlottedSandbox(sandbox, slots), view),
            slots=slots,
            control=control,
            fleet=fleet,
        )
        campaign = Campaign(lab, view, means, resumed=resumed)
        campaign.guided_by(guide)
        stack.push_async_callback(_close_fleet, fleet, campaign)
        if plan.rerun:
            campaign.rerun(plan.rerun)
        stack.enter_context(_registered(campaign))
        await stack.enter_async_context(control.following(campaign))
        await stack.enter_async_context(_beating(lease, campaign))
        held_lab.on_loss(campaign.stop)
        stack.callback(_end, campaign, lease)
        _announce(campaign, sandbox, sandboxes.values())
        yield campaign


async def _open_fleet(
    lab: Lab, locked: LockInForce, dispatcher: Dispatcher | None, control: Control
) -> Fleet | None:
    if not any(tier.pool for tier in lab.config.tiers):
        return None
    if dispatcher is None:
        raise FleetError("A tier has a pool, and this campaign runs without a Prefect API.", "Use `lab run`.")
    return await open_fleet(
        lab, *locked, dispatcher, control, lambda text: events.publish(events.Notice(text))
    )


async def _close_fleet(fleet: Fleet | None, campaign: Campaign) -> None:
    if fleet is not None:
        await fleet.close(finished=campaign.finished)


@contextmanager
def _registered(campaign: Campaign) -> Iterator[None]:
    key = str(campaign.lab.config.folder)
    _running[key] = campaign
    try:
        yield
    finally:
        del _running[key]


def _begin(lab: Lab, plan: Plan, lease: Lease) -> OpenCampaign:
    """Append what opens, revises or replaces the campaign; nothing when it simply goes on."""
    state = lab.ledger.state()
    view = state.campaign
    if view is not None and plan.fresh:
        _append(lab, lease, _record(view, "closed", "replaced by a fresh campaign"))
        view = None
    if view is None:
        number = state.next_campaign
        budget = {"iterations": float(len(plan.rerun))} if plan.rerun else {**_configured(lab), **plan.budget}
        history_from = state.next_number - 1 if plan.fresh else 0
        record = CampaignRecord(
            at=utc_now(),
            campaign=number,
            event="opened",
            strategy=lab.config.strategy.name,
            fresh=plan.fresh,
            history_from=history_from,
            budget=budget,
        )
        _append(lab, lease, record)
    elif plan.budget and {**view.budget, **plan.budget} != dict(view.budget):
        revised = _record(view, "revised", "budget given anew")
        _append(lab, lease, revised.model_copy(update={"budget": {**view.budget, **plan.budget}}))
    opened = lab.ledger.state().campaign
    assert opened is not None
    return opened


def _configured(lab: Lab) -> dict[str, float]:
    budget = lab.config.budget
    return Budget(
        iterations=budget.iterations,
        hours=budget.hours,
        cost_usd=budget.cost_usd,
        target=budget.target,
        plateau=budget.plateau,
        crashes=budget.crashes,
    ).to_record()


def _record(
    view: OpenCampaign, event: Literal["revised", "closed"], reason: str, seconds: float = 0.0
) -> CampaignRecord:
    return CampaignRecord(
        at=utc_now(),
        campaign=view.number,
        event=event,
        strategy=view.strategy,
        fresh=view.fresh,
        history_from=view.history_from,
        budget=dict(view.budget),
        reason=reason,
        seconds=seconds or view.spent.seconds,
    )


def _append(lab: Lab, lease: Lease, record: CampaignRecord) -> None:
    lab.ledger.append(record, candidate=None, changes=[lease.fence()])


def _proposer(lab: Lab, sandbox: Sandbox, view: OpenCampaign) -> Proposer:
    proposer = open_strategy(lab, sandbox, priors(lab, view))
    state = lab.ledger.state()
    assert state.lock is not None
    records: Iterable[TierRecord | VerdictRecord] = state.ideas.values()
    if lab.config.screening:
        # In their order, as they were told the first time.
        told = (entry.record for entry in lab.ledger.records())
        records = [record for record in told if isinstance(record, TierRecord | VerdictRecord)]
    for outcome in Feedback(lab).history(records, state.lock.epoch, view.history_from):
        proposer.tell(outcome)
    return proposer


def _sweep(lab: Lab) -> None:
    """Remove what a dead campaign was working on; its open ideas start again from git."""
    for folder in ("trials", "proposals"):
        shutil.rmtree(lab.folder / folder, ignore_errors=True)
    for parent in (lab.folder, short_parent()):
        sweep_scratch(parent)
    lab.pool.clean()


@asynccontextmanager
async def _beating(lease: Lease, campaign: Campaign) -> AsyncIterator[None]:
    """Renew the lease in the background; a campaign that lost it stops."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                lease.heartbeat()
            except RepositoryError as error:
                campaign.stop(error.message)
                return

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _announce(campaign: Campaign, sandbox: Sandbox, others: Iterable[Sandbox]) -> None:
    view = campaign.view
    champion = campaign.lab.ledger.state().champion
    assert champion is not None
    # A tier may run in less of a sandbox than the one that decides.
    cautions = dict.fromkeys(warning(each.kind) for each in (sandbox, *others))
    events.publish(
        events.CampaignOpened(
            campaign=campaign.number,
            resumed=campaign.resumed,
            iterations=view.spent.iterations,
            total=campaign.spending.budget.iterations,
            champion=champion.value,
            sandbox=sandbox.kind,
            warning="; ".join(filter(None, (*cautions, *campaign.set_aside, *_barren(campaign)))),
        )
    )


def _barren(campaign: Campaign) -> Iterator[str]:
    """Tiers from which nothing can go on within the campaign's budget, which `lab.toml` need not say."""
    for tier in campaign.lab.config.screening:
        total = campaign.spending.budget.iterations
        if not total or tier.promote is None:
            continue
        if why := can_fire(tier.promote, total, None, tier.config.scorer.goal):
            yield f"nothing will go on from the tier {tier.name}: {why}"


def _end(campaign: Campaign, lease: Lease) -> None:
    view = campaign.view
    if campaign.finished:
        _append(campaign.lab, lease, _record(view, "closed", campaign.stop_reason, campaign.spending.seconds))
    elif campaign.spending.seconds - view.spent.seconds >= _TOLD_SECONDS:
        # No verdict tells of the time since the last one; a budget of hours must not forget it.
        reason = campaign.stop_reason or "stopped"
        # What stopped the campaign (a lost lease, a full disk) may refuse this too, and is told already.
        with suppress(RepositoryError):
            _append(campaign.lab, lease, _record(view, "revised", reason, campaign.spending.seconds))
    events.publish(
        events.CampaignEnded(campaign.number, campaign.stop_reason or "stopped", campaign.finished)
    )
