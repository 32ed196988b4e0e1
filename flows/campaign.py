"""The campaign: iterations, so many at a time, until the budget is spent."""

from __future__ import annotations

import asyncio
import logging
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
from lab_plugin.events import subscribed
from lab_plugin.flows.board import Board
from lab_plugin.flows.cancellation import watching
from lab_plugin.flows.emission import Emission
from lab_plugin.flows.form_guide import FormGuide
from lab_plugin.flows.reconciliation import close_dead_runs
from lab_plugin.flows.runs import IterationRuns
from lab_plugin.flows.tasks import confirm
from lab_plugin.guidance import guide_here
from lab_plugin.opening import open_in_flow

_log = logging.getLogger("prefect.lab")


@flow(name="campaign", flow_run_name="{lab}", persist_result=False)
async def campaign(
    lab: str,
    budget: dict[str, float] | None = None,
    fresh: bool = False,
    jobs: int = 1,
    rerun: dict[int, int] | None = None,
    guided: bool = False,
) -> State[Any]:
    """Run iterations on a lab until its budget is spent; an open campaign goes on.

    Args:
        lab: Folder of the lab, with its lab.toml.
        budget: Bounds that replace those of lab.toml: iterations, hours, cost_usd, target, plateau, crashes.
        fresh: Begin a new campaign whose proposer does not see earlier ideas.
        jobs: Iterations at a time.
        rerun: Idea -> repeats in all: go on with the comparisons of these, and make no new ideas.
        guided: Ask about each proposal before it runs, by a form on its iteration's run.
    """
    own_run = str(flow_run.get_id())
    async with AsyncExitStack() as stack:
        opened = await open_in_flow(Path(lab))
        notify = await stack.enter_async_context(background_mirror(opened.config.folder, opened.blocks))
        stack.enter_context(subscribed(lambda event: notify()))
        emission = await stack.enter_async_context(Emission(opened, own_run))
        stack.enter_context(subscribed(emission))
        guide = (guide_here() or FormGuide()) if guided else None
        this = await stack.enter_async_context(
            open_campaign(opened, Plan(budget or {}, fresh, rerun or {}, jobs), guide)
        )
        # Constant for the campaign: Prefect's client pays for every set of tags that it has not seen.
        stack.enter_context(tags(f"campaign:{this.number}"))
        board = await stack.enter_async_context(Board(this, own_run))
        stack.enter_context(subscribed(board))
        await stack.enter_async_context(watching(own_run, this))
        closing = asyncio.create_task(_close_dead_runs(this))
        # All slots end before the lab is let go: one that failed has stopped the others.
        client = await stack.enter_async_context(get_client())
        own_tags = TagsContext.get().current_tags
        runs = IterationRuns(client, UUID(own_run), lab, own_tags, this.stop, most=jobs)
        ends = await asyncio.gather(*(_slot(this, runs) for _ in range(jobs)), return_exceptions=True)
        ends += await asyncio.gather(runs.finish(), return_exceptions=True)
        await this.forget_begun()
        await closing
        for error in ends:
            if error is not None:
                raise error
        if this.to_confirm:
            await confirm(lab)
    return (Completed if this.finished else Cancelled)(message=this.stop_reason)


async def _close_dead_runs(this: Campaign) -> None:
    try:
        await close_dead_runs(this.lab.tag)
    except (httpx.HTTPError, PrefectException) as error:
        _log.warning("Runs of dead processes may still show as running: %s", error)


async def _slot(this: Campaign, runs: IterationRuns) -> None:
    """Run one iteration after the other; what breaks one stops the campaign, and no verdict is lost."""
    try:
        while (number := await this.next()) is not None:
            this.begin(number)
            await runs.run(number)
    except BaseException as error:
        this.stop(f"{type(error).__name__}: {error}")
        raise
