"""One trial on a worker: all that it needs comes through the lab's git remote, and its result goes there."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.context import FlowRunContext, TagsContext
from prefect.states import Completed, Failed

from lab_plugin.errors import LabError, SandboxUnavailable
from lab_plugin.flows.signs import REFUSED, alive, refusal
from lab_plugin.home import Home
from lab_plugin.remote import TrialOrder, Work, open_work
from lab_plugin.sandbox import Execution
from lab_plugin.scorer import Score


@flow(name="trial", persist_result=False)
async def trial(order: TrialOrder, gpu_limit: str = "") -> State[Any]:
    """Run and score one candidate of a lab for a campaign on another machine.

    Campaigns start these runs; there is nothing to start by hand.

    Args:
        order: What is asked: names and digests, and nothing secret.
        gpu_limit: The global concurrency limit that counts out the pool's graphics cards; empty for none.
    """
    context = FlowRunContext.get()
    async with AsyncExitStack() as stack:
        if context is not None and context.flow_run is not None:
            await stack.enter_async_context(alive(context.flow_run.id, context.flow_run.name))
        # Each task would carry the run's tags: a tenth of the server's work, for nothing.
        stack.enter_context(TagsContext(current_tags=set()))
        if gpu_limit:
            await stack.enter_async_context(concurrency(gpu_limit, occupy=order.gpus, strict=True))
        try:
            return await _answer(order)
        except SandboxUnavailable:
            raise
        except LabError as error:
            return Failed(name=REFUSED, message=refusal(error))


async def _answer(order: TrialOrder) -> State[Any]:
    async with open_work(order, Home.from_environment(), get_run_logger().warning) as work:
        if work is None:
            return Completed(name="Answered", message="its result was there already")
        execution = await execute(work)
        score = await evaluate(work, execution)
        first = await work.deliver(execution, score)
    if not first:
        return Completed(name="Superseded", message="another worker's result was there first")
    told = "" if order.sealed or score.value is None else f"{score.value:.6g}"
    return Completed(name=score.status.capitalize(), message=told)


@task(cache_policy=NO_CACHE, persist_result=False)
async def execute(work: Work) -> Execution:
    """Run the candidate in the sandbox."""
    return await work.execute()


@task(cache_policy=NO_CACHE, persist_result=False)
async def evaluate(work: Work, execution: Execution) -> Score:
    """Score the outputs in a sandbox of its own."""
    return await work.evaluate(execution)
