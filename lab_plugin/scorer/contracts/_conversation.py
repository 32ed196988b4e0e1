"""A candidate and its scorer, run at the same time in two sandboxes, to the verified end of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lab_plugin.sandbox import Execution, Job
from lab_plugin.scorer.contracts._channel import Channel
from lab_plugin.scorer.contracts._relay import Breach

FAREWELL_SECONDS = 5.0
"""How long a candidate may take to end once its channel is closed."""

Run = Callable[[Job], Awaitable[Execution]]


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a conversation ended.

    Attributes:
        candidate: None when it was ended by the lab.
        scoring: The scorer's run; None when it was ended by the lab.
        breach: The rule that was broken; None when none was.
        seconds: Wall seconds of it all.
    """

    candidate: Execution | None
    scoring: Execution | None
    breach: Breach | None
    seconds: float


async def converse(run: Run, candidate: Job, scorer: Job, channel: Channel) -> Ending:
    """Run both; when this returns or raises, no process of either is alive.

    Args:
        run: Runs a job to its verified end.
        candidate: Answers; it is shown `channel.candidate`.
        scorer: Asks; it is shown `channel.scorer`.
        channel: Entered.

    Raises:
        SandboxUnavailable: A sandbox broke.
        asyncio.CancelledError: Cancelled; both are dead.
    """
    began = time.monotonic()
    answering = asyncio.ensure_future(run(candidate))
    asking = asyncio.ensure_future(run(scorer))
    try:
        breach = await _follow(answering, asking, channel)
        if breach is None and asking.done():
            breach = await _part(answering, channel, is_well=asking.result().status == "ok")
        elif breach is not None and breach.gone:
            # How its program ended says why.
            await asyncio.wait((answering,), timeout=FAREWELL_SECONDS)
    finally:
        await _end(answering, asking)
    return Ending(
        candidate=_result(answering),
        scoring=_result(asking),
        breach=breach,
        seconds=time.monotonic() - began,
    )


async def _follow(
    answering: asyncio.Future[Execution], asking: asyncio.Future[Execution], channel: Channel
) -> Breach | None:
    """Wait until the scorer has ended, a rule is broken, or the candidate has failed."""
    watched: set[asyncio.Future[Execution] | asyncio.Future[Breach | None]]
    watched = {answering, asking, channel.over}
    while not asking.done():
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if channel.over in done:
            return channel.over.result()
        if answering in done:
            if answering.result().status != "ok":
                return None
            watched.discard(answering)
            channel.candidate_ended()
    asking.result()
    return None


async def _part(answering: asyncio.Future[Execution], channel: Channel, *, is_well: bool) -> Breach | None:
    """The scorer has ended: hang up on the candidate and let it end, which one left alone need not do."""
    channel.scorer_ended()
    answering.add_done_callback(lambda _: channel.candidate_ended())
    breach = await channel.over
    if breach is not None:
        return breach
    await asyncio.wait((answering,), timeout=FAREWELL_SECONDS)
    if answering.done() or not is_well:
        return None
    reason = f"candidate did not end within {FAREWELL_SECONDS:g} s after its channel was closed"
    return Breach("rejected", reason)


async def _end(*running: asyncio.Future[Execution]) -> None:
    """End what still runs; a cancelled caller waits for it too."""
    cancelled = False
    for future in running:
        future.cancel()
    while pending := [future for future in running if not future.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    for future in running:
        if not future.cancelled():
            # What is not raised here is raised by who asks for the result, or follows from what was.
            future.exception()
    if cancelled:
        raise asyncio.CancelledError


def _result(future: asyncio.Future[Execution]) -> Execution | None:
    return None if future.cancelled() else future.result()
