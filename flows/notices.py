"""What the owner should know, in the log of the flow run in which it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger

from lab_plugin.events import Event, Notice, subscribed


@contextmanager
def logged_notices() -> Iterator[None]:
    """Log each `Notice` as a warning of the current run."""
    logger = get_run_logger()

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            logger.warning("%s", event.text)

    with subscribed(tell):
        yield
