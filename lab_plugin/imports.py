"""Importing what is large, at less cost."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """Import large packages in here: nothing of them is garbage.

    The collector otherwise walks over all of it again and again, while it is imported (a sixth of the time
    of Prefect's server) and in every full collection afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
