"""Not more than so many per second."""

from __future__ import annotations

import asyncio


class Pace:
    """Lets its callers go on one after the other, evenly, after a first burst.

    Args:
        per_second: How many, above 0.
        burst: How many at once after a pause.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._slack = self._interval * burst
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() - self._slack

    async def wait(self) -> None:
        """Wait for one's turn; other tasks always get theirs too."""
        now = self._loop.time()
        self._due = max(self._due + self._interval, now - self._slack)
        await asyncio.sleep(max(0.0, self._due - now))
