"""Running a campaign from the terminal: its API, its progress, and a clean end on Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvloop

from lab_plugin.cli._progress import Progress
from lab_plugin.cli._terminal_guide import TerminalGuide
from lab_plugin.errors import ApiError, LabError
from lab_plugin.events import CampaignEnded, Event, subscribed
from lab_plugin.guidance import guided_here
from lab_plugin.imports import large_imports
from lab_plugin.lab import Lab
from lab_plugin.lock_in_force import require_lock
from lab_plugin.repository import require_free
from lab_plugin.serving import Serving, serving
from lab_plugin.sharing import take_in

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Ending:
    """How a campaign left this process.

    Attributes:
        reason: Why it stopped.
        closed: Its budget is spent.
        interrupted: A signal ended it.
    """

    reason: str
    closed: bool
    interrupted: bool


def run_campaign(
    lab: Lab,
    budget: dict[str, float],
    fresh: bool,
    jobs: int,
    quiet: bool,
    rerun: dict[int, int] | None = None,
    guided: bool = False,
    in_terminal: bool = False,
) -> Ending:
    """Run the campaign flow in this process until it ends.

    Args:
        lab: The lab.
        budget: Bounds that replace those of lab.toml.
        fresh: Begin a new campaign.
        jobs: Iterations at a time.
        quiet: Show no progress.
        rerun: Idea -> repeats in all.
        guided: Ask about each proposal before it runs.
        in_terminal: Ask here, and not in the Prefect UI.

    Raises:
        LabError: What stopped it, when it was not its budget and nobody asked.
    """
    ended: list[CampaignEnded] = []

    def keep_ending(event: Event) -> None:
        if isinstance(event, CampaignEnded):
            ended.append(event)

    with (
        Progress(lab.config.scorer.metric, quiet) as progress,
        serving(lab.home, lambda: _prepare(lab)) as api,
        subscribed(progress),
        subscribed(keep_ending),
        guided_here(TerminalGuide(progress) if in_terminal else None),
    ):
        interrupted = uvloop.run(_run(lab, (budget, fresh, jobs, rerun, guided), api, progress))
    if not ended:
        return Ending("interrupted before the campaign began", False, interrupted)
    return Ending(ended[-1].reason, ended[-1].closed, interrupted)


def _prepare(lab: Lab) -> None:
    """What takes time and needs no API: prove the lock, and import what the campaign will use."""
    require_free(lab.repository, lab.lease_ref)
    take_in(lab)
    require_lock(lab)
    with large_imports():
        import lab_plugin.flows.campaign  # noqa: F401

        if lab.config.strategy.name in ("random", "tpe"):
            import optuna  # noqa: F401


async def _run(lab: Lab, wishes: tuple[Any, ...], api: Serving, progress: Progress) -> bool:
    """Run the flow with what follows its lab; returns whether a signal ended it."""
    from prefect import tags

    from lab_plugin.flows.campaign import campaign
    from lab_plugin.flows.deployed import stopped_here_by
    from lab_plugin.flows.reconciliation import owner_tag

    # Log lines that an API which was killed did not take are no business of the terminal.
    logging.raiseExceptions = False
    folder = str(lab.config.folder)
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        if not interrupted:
            progress.note("stopping: running trials are ended, their ideas stay open")
        interrupted = True
        _halt(folder, task, "interrupted")

    # Prefect takes SIGTERM as its flow begins; the flow takes it back for this.
    stopped_here_by(stop)
    with tags("lab", lab.tag, owner_tag()):
        task = asyncio.ensure_future(campaign(folder, *wishes, return_state=True))
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    keeper = asyncio.ensure_future(api.local.keep()) if api.local else None

    def lose_api(ended: asyncio.Future[None]) -> None:
        # Without its API a campaign would go on unseen.
        if not ended.cancelled():
            _halt(folder, task, "the Prefect API is lost")

    if keeper is not None:
        keeper.add_done_callback(lose_api)
    try:
        await _end_of(task)
    finally:
        if keeper is not None:
            keeper.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    if keeper is not None and keeper.done() and not keeper.cancelled():
        keeper.result()
    return interrupted


async def _end_of(task: asyncio.Future[State[Any]]) -> None:
    """Wait for the campaign's flow, and raise what it failed with."""
    import httpx
    from prefect.exceptions import PrefectException

    try:
        state = await task
        if state.is_failed() or state.is_crashed():
            await state.aresult()
    except asyncio.CancelledError:
        return
    except (httpx.HTTPError, PrefectException) as error:
        raise ApiError(
            f"Prefect failed under the campaign: {type(error).__name__}: {error}",
            "No verdict is lost: `lab run` goes on. If it comes again, look at the API with `lab check`.",
        ) from error


def _halt(folder: str, task: asyncio.Task[Any], reason: str) -> None:
    """Stop the campaign, or the flow that has not opened it yet."""
    from lab_plugin.campaign import running

    try:
        running(folder).stop(reason)
    except LabError:
        task.cancel()
