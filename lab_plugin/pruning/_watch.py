"""A run and its log: what is new in the log is read while the run lasts, and may end it."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lab_plugin.pruning._curve import Curve
from lab_plugin.pruning._pruned import Pruned
from lab_plugin.pruning._reader import CurveReader, Reading

POLL_SECONDS = 0.2
_PIECE = 16 << 10
_POINTS_AT_ONCE = 4
T = TypeVar("T")
Judge = Callable[[Reading, CurveReader], Pruned | None]


@dataclass(frozen=True)
class Watched(Generic[T]):
    """What came of a run.

    Attributes:
        result: Of the run; None where it was ended for its curve while it lasted.
        curve: What it reported; nothing behind the point at which it was pruned.
        pruned: Set when the curve is one that is ended, be it that the run had ended by then: what is said of
            a curve hangs on the curve alone, and not on when it was looked at.
        seconds: Wall seconds since the log was there; what a run waits for before is not counted.
    """

    result: T | None
    curve: Curve
    pruned: Pruned | None = None
    seconds: float = 0.0


async def watch(run: Coroutine[Any, Any, T], log: Path, log_bytes: int, judge: Judge) -> Watched[T]:
    """Run something, read the points in its log meanwhile, and end it when one of them is judged so.

    Args:
        run: Ends everything that it started, and only then itself, when it is cancelled.
        log: The candidate's stdout; not there before the run made it.
        log_bytes: Of it at most: what stands behind is not the candidate's.
        judge: Asked at each point with a rising step, as it comes.

    Raises:
        asyncio.CancelledError: Cancelled; the run is over.
        Exception: What the run raised.
    """
    tail, reader = _Tail(log, log_bytes), CurveReader()
    task = asyncio.ensure_future(run)
    pruned = None
    try:
        over = False
        while not over and pruned is None:
            await asyncio.wait((task,), timeout=POLL_SECONDS)
            over = task.done()
            pruned = await _read(tail, reader, judge)
    finally:
        tail.close()
        await _end(task)
    result = None if task.cancelled() and pruned is not None else task.result()
    return Watched(result, reader.curve(), pruned, tail.age)


async def _end(task: asyncio.Future[T]) -> None:
    """Cancel a run and wait until it is over, however often the caller is cancelled meanwhile."""
    cancelled = False
    while not task.done():
        if not cancelled:
            task.cancel()
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _read(tail: _Tail, reader: CurveReader, judge: Judge) -> Pruned | None:
    """Judge what is new; others have their turn between."""
    count = 0
    while data := tail.read():
        for point in reader.feed(data):
            if (pruned := judge(point, reader)) is not None:
                return pruned
            count += 1
            if count % _POINTS_AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    return None


class _Tail:
    """What a log has gained since it was last looked at.

    Args:
        path: Of the log. Where a sandbox contains nothing, its program may put anything there.
        limit: Bytes to read in all.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._read = 0
        self._file = -1
        self._opened = 0.0

    @property
    def age(self) -> float:
        """Seconds since the log was found; 0 where it was not."""
        return time.monotonic() - self._opened if self._opened else 0.0

    def read(self) -> bytes:
        """The next piece; b"" when there is none now."""
        if self._file < 0 and not self._open():
            return b""
        try:
            data = os.pread(self._file, min(_PIECE, self._limit - self._read), self._read)
        except OSError:
            return b""
        self._read += len(data)
        return data

    def close(self) -> None:
        """Let go of the log."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> bool:
        try:
            found = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        if not stat.S_ISREG(os.fstat(found).st_mode):
            os.close(found)
            return False
        self._file, self._opened = found, time.monotonic()
        return True
