"""The way of one idea from proposal to verdict."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Cancelled, Completed

from lab_plugin.campaign import Interrupted, running
from lab_plugin.flows.tasks import compare, decide, evaluate, execute, propose


@flow(name="iteration", persist_result=False, validate_parameters=False)
async def iteration(lab: str, number: int) -> State[Any]:
    """Propose one idea, run it, score it, compare it on more seeds if need be, and keep or revert it.

    Args:
        lab: Folder of the lab on which this process runs a campaign.
        number: The idea's number.
    """
    try:
        # The flow run carries the tags: on each of its tasks they would cost a tenth of the server's work.
        with TagsContext(current_tags=set()):
            idea = await propose(lab, number)
            runs = await execute(lab, idea)
            scores = await evaluate(lab, idea, runs)
            if running(lab).unclear(idea, runs, scores):
                await compare(lab, idea, runs, scores)
            verdict = await decide(lab, idea, runs, scores)
    except Interrupted as interruption:
        return Cancelled(message=str(interruption))
    return Completed(name=verdict.verdict.capitalize(), message=verdict.reason)
