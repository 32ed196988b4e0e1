"""One tier of one idea."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Cancelled, Completed

from lab_plugin.campaign import Interrupted
from lab_plugin.flows.stage import Outcome, stage


@flow(name="tier", persist_result=False, validate_parameters=False)
async def tier(lab: str, number: int, name: str, iteration_run: str) -> State[Outcome]:
    """Run and score an idea at one of its lab's tiers, and see whether it goes on.

    Args:
        lab: Folder of the lab on which this process runs a campaign.
        number: The idea's number.
        name: The tier's.
        iteration_run: Id of the iteration's flow run.
    """
    try:
        with TagsContext(current_tags=set()):
            outcome = await stage(lab, number, iteration_run)
    except Interrupted as interruption:
        return Cancelled(message=str(interruption))
    return Completed(name=outcome.word, message=outcome.message, data=outcome)
