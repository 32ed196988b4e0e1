"""The campaign: iterations, so many at a time, until the budget is spent."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed

from lab_plugin.background_mirror import background_mirror
from lab_plugin.campaign import Campaign, Plan, open_campaign
from lab_plugin.events import Notice, publish, subscribed
from lab_plugin.flows.board import Board
from lab_plugin.flows.cancellation import watching
from lab_plugin.flows.deployed import as_campaign_of
from lab_plugin.flows.dispatch import dispatching
from lab_plugin.flows.emission import Emission
from lab_plugin.flows.form_guide import FormGuide
from lab_plugin.flows.forms import NO_BOUNDS, NO_RERUNS, AtMost, Bounds, Jobs, LabFolder, Reruns
from lab_plugin.flows.reconciliation import close_dead_runs
from lab_plugin.flows.runs import IterationRuns
from lab_plugin.flows.tasks import confirm
from lab_plugin.guidance import guide_here
from lab_plugin.opening import open_in_flow

_NONE = object()
_log = logging.getLogger("prefect.lab")


@flow(name="campaign", flow_run_name="{lab}", persist_result=False)
async def campaign(
    lab: LabFolder = ".",
    budget: Bounds = NO_BOUNDS,
    fresh: bool = False,
    jobs: Jobs = 1,
    rerun: Reruns = NO_RERUNS,
    guided: bool = False,
    at_most: AtMost = 0,
) -> State[Any]:
    """Run iterations on a lab until its budget is spent; an open campaign goes on.

    Args:
        lab: Folder of the lab, with its lab.toml; in a deployment, relative to the clone.
        budget: Bounds that replace those of lab.toml.
        fresh: Begin a new campaign whose proposer does not see earlier ideas.
        jobs: Iterations at a time.
        rerun: Idea -> repeats in all: go on with the comparisons of these, and make no new ideas.
        guided: Ask about each proposal before it runs, by a form on its iteration's run.
        at_most: Iterations of this run, 0 for all; a campaign with budget left stays open for the next.
    """
    own_run = str(flow_run.get_id())
    async with AsyncExitStack() as stack:
        opened = await open_in_flow(Path(lab))
        folder = str(opened.config.folder)
        stack.enter_context(as_campaign_of(opened))
        notify = await stack.enter_async_context(background_mirror(opened.config.folder, opened.blocks))
        stack.enter_context(subscribed(lambda event: notify()))
        emission = await stack.enter_async_context(Emission(opened, own_run))
        stack.enter_context(subscribed(emission))
        dispatcher = await stack.enter_async_context(
            dispatching(opened.config, opened.tag, lambda text: publish(Notice(text)))
        )
        guide = (guide_here() or FormGuide()) if guided else None
        plan = Plan(budget.given(), fresh, rerun or {}, jobs)
        this = await stack.enter_async_context(open_campaign(opened, plan, guide, dispatcher))
        # Constant for the campaign: Prefect's client pays for every set of tags that it has not seen.
        stack.enter_context(tags(f"campaign:{this.number}"))
        board = await stack.enter_async_context(Board(this, own_run))
        stack.enter_context(subscribed(board))
        await stack.enter_async_context(watching(own_run, this))
        closing = asyncio.create_task(_close_dead_runs(this))
        # All slots end before the lab is let go: one that failed has stopped the others.
        client = await stack.enter_async_context(get_client())
        own_tags = TagsContext.get().current_tags
        runs = IterationRuns(client, UUID(own_run), folder, own_tags, this.stop, most=jobs)
        turns = itertools.repeat(None, at_most) if at_most else itertools.repeat(None)
        ends = await asyncio.gather(*(_slot(this, runs, turns) for _ in range(jobs)), return_exceptions=True)
        ends += await asyncio.gather(runs.finish(), return_exceptions=True)
        await this.forget_begun()
        await closing
        for error in ends:
            if error is not None:
                raise error
        if this.to_confirm:
            await confirm(folder)
    if at_most and not this.stop_reason:
        return Completed(message=f"as many iterations as were asked for, {at_most}; the campaign stays open")
    return (Completed if this.finished else Cancelled)(message=this.stop_reason)


async def _close_dead_runs(this: Campaign) -> None:
    try:
        await close_dead_runs(this.lab.tag)
    except (httpx.HTTPError, PrefectException) as error:
        _log.warning("Runs of dead processes may still show as running: %s", error)


async def _slot(this: Campaign, runs: IterationRuns, turns: Iterator[None]) -> None:
    """Run one iteration after the other; what breaks one stops the campaign, and no verdict is lost.

    Args:
        this: The campaign.
        runs: Runs an iteration.
        turns: One for each iteration that may be run, of all slots together.
    """
    try:
        while _may_go_on(this, turns) and (number := await this.next()) is not None:
            this.begin(number)
            await runs.run(number)
    except BaseException as error:
        this.stop(f"{type(error).__name__}: {error}")
        raise


def _may_go_on(this: Campaign, turns: Iterator[object]) -> bool:
    """Whether there is a turn left; a campaign whose budget is spent needs none to come to its end."""
    return next(turns, _NONE) is not _NONE or this.spending.exhausted() is not None
