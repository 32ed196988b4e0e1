"""The four file locks of an API folder; the kernel lets go of them even after `kill -9`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START = "start.lock"
"""Held while deciding whether to start a server, or to let one go."""
SERVER = "server.lock"
"""Held by the server as long as it lives, so that there is one for each database."""
CLIENTS = "clients.lock"
"""Held, shared, by each client as long as it needs the server."""
DEPLOYMENTS = "deployments.lock"
"""Held, shared, by who wants deployments served: schedules, late runs and workers watched."""


def acquire(path: Path, *, shared: bool = False, wait: bool = True) -> int | None:
    """Lock a file.

    Args:
        path: The file; made when missing.
        shared: Whether others may hold it, shared, at the same time.
        wait: Whether to wait for it.

    Returns:
        The open descriptor that holds the lock; None when it is taken and `wait` is false.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def is_held(path: Path) -> bool:
    """Whether anybody holds a lock now."""
    handle = acquire(path, wait=False)
    if handle is None:
        return True
    os.close(handle)
    return False


@contextmanager
def held(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock for a block."""
    handle = acquire(path, shared=shared)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)
