"""A lock between processes that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_plugin.errors import TrackingError

_PAUSE = 0.1


class Busy(TrackingError):
    """Another process holds the lock."""


@contextmanager
def file_lock(path: Path, wait: float, given_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold an exclusive lock on a file, made when missing.

    Args:
        path: The lock's file; it stays.
        wait: Seconds to wait for it.
        given_up: Asked while waiting; True ends the wait.

    Raises:
        Busy: Another process holds it.
        TrackingError: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise TrackingError(
            f"The lock {path} cannot be made: {error.strerror}.", "Make its folder writable."
        ) from error
    try:
        _acquire(handle, path, time.monotonic() + wait, given_up)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, deadline: float, given_up: Callable[[], bool]) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline or given_up():
                raise Busy(
                    f"Another process is at work on {path.parent} (lock {path.name}).",
                    "Wait until it is done, then try again.",
                ) from None
            time.sleep(_PAUSE)
