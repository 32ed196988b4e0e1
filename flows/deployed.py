"""A campaign that a worker runs, or a script, rather than `lab run`: it gives its run what that would."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from types import FrameType

from prefect import tags
from prefect.runtime import flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from lab_plugin.campaign import running
from lab_plugin.errors import LabError
from lab_plugin.flows.notices import logged_notices
from lab_plugin.flows.reconciliation import is_owner_tag, owner_tag
from lab_plugin.lab import Lab

# Pauses of 2, 4, 8, ... seconds: four minutes in all.
_RETRIES = 7
_handler: Callable[[int, FrameType | None], None] | None = None
_stop_here: ContextVar[Callable[[], None] | None] = ContextVar("stop_here", default=None)


def stopped_here_by(stop: Callable[[], None]) -> None:
    """What SIGTERM does to a campaign that this context starts, as `lab run` does."""
    _stop_here.set(stop)


@contextmanager
def as_campaign_of(lab: Lab) -> Iterator[None]:
    """Tag the run as the lab's and this process's, log what the owner should know, and end when told to.

    Args:
        lab: The lab.
    """
    own = {"lab", lab.tag, owner_tag()}
    # Of a run that another process began, its owner is no more.
    given = {tag for tag in flow_run.get_tags() if not is_owner_tag(tag)}
    with tags(*(own | given)), logged_notices(), _patience(lab), _stopping(str(lab.config.folder)):
        yield


def _patience(lab: Lab) -> AbstractContextManager[object]:
    """Outlast a few minutes without the API, unless it is the lab's own: `lab run` looks after that one."""
    if os.environ.get("PREFECT_HOME") == str(lab.home.prefect):
        return nullcontext()
    return temporary_settings(set_defaults={PREFECT_CLIENT_MAX_RETRIES: _RETRIES})


def keep_sigterm() -> None:
    """Have SIGTERM end the campaign, whatever a subflow that just began did about it."""
    if _handler is not None:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, _handler)


@contextmanager
def _stopping(folder: str) -> Iterator[None]:
    """End the campaign cleanly on SIGTERM, which is how a worker cancels; it kills half a minute later.

    Prefect's own way is to raise in whatever code runs at that moment, and to cancel every task at once: no
    verdict could be published any more, and no lease given back. Each subflow puts that way back in place
    when it begins; its engine calls `keep_sigterm` at once.
    """
    global _handler
    loop, task, stop_here = asyncio.get_running_loop(), asyncio.current_task(), _stop_here.get()
    before = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        try:
            running(folder).stop("cancelled by its worker")
        except LabError:
            if task is not None:
                task.cancel()

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop_here or stop)

    if threading.current_thread() is not threading.main_thread():
        # It gets no signals.
        yield
        return
    _handler = handle
    keep_sigterm()
    try:
        yield
    finally:
        _handler = None
        signal.signal(signal.SIGTERM, before)
