"""The guide of this process, given from above to a campaign that is started as a flow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lab_plugin.guidance._contract import Guide

_here: ContextVar[Guide | None] = ContextVar("guide", default=None)


def guide_here() -> Guide | None:
    """Who is asked in this process; None where nobody said."""
    return _here.get()


@contextmanager
def guided_here(guide: Guide | None) -> Iterator[None]:
    """Have a guided campaign that starts in the block ask this guide.

    Args:
        guide: Asks; None leaves it to the campaign's surface.
    """
    token = _here.set(guide)
    try:
        yield
    finally:
        _here.reset(token)
