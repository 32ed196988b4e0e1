"""The way of one idea from proposal to verdict."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import TagsContext
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed

from lab_plugin.campaign import Interrupted, running
from lab_plugin.flows.stage import Outcome, stage
from lab_plugin.flows.subflows import SubflowEngine, subflows
from lab_plugin.flows.tasks import propose
from lab_plugin.flows.tier import tier


@flow(name="iteration", persist_result=False, validate_parameters=False)
async def iteration(lab: str, number: int) -> State[Any]:
    """Propose one idea, take it through its tiers, and keep or revert it.

    An idea that waits for the next tier ends its run as `Waiting`; a further run takes it on from there.

    Args:
        lab: Folder of the lab on which this process runs a campaign.
        number: The idea's number.
    """
    own_run, outcome = str(flow_run.get_id() or ""), Outcome(goes_on=True)
    own_tags = TagsContext.get().current_tags
    try:
        # The flow run carries the tags: on each of its tasks they would cost a tenth of the server's work.
        with TagsContext(current_tags=set()):
            await propose(lab, number)
            await running(lab).ask(number)
            while outcome.goes_on and not running(lab).lab.config.screening:
                outcome = await stage(lab, number, own_run)
        while outcome.goes_on:
            here = running(lab).tier_of(number)
            with TagsContext(current_tags=own_tags | ({f"pool:{here.pool}"} if here.pool else set())):
                state = await _tier_run(lab, number, here.name, own_run)
            if state.is_cancelled():
                return Cancelled(message=state.message)
            outcome = cast(Outcome, await state.aresult())
    except Interrupted as interruption:
        return Cancelled(message=str(interruption))
    if outcome.verdict is not None and outcome.verdict.cancelled:
        return Cancelled(message=outcome.message)
    return Completed(name=outcome.word, message=outcome.message)


async def _tier_run(lab: str, number: int, name: str, own_run: str) -> State[Any]:
    parameters = {"lab": lab, "number": number, "name": name, "iteration_run": own_run}

    async def make() -> FlowRun:
        tags = TagsContext.get().current_tags
        return await subflows.get().make(tier, UUID(own_run), f"{number:04d} {name}", parameters, tags)

    return await SubflowEngine(flow=tier, parameters=parameters, make=make).play()
