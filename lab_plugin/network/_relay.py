"""Two directions at once, until both end, one breaks, or nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from lab_plugin.network._exchange import Exchange

_HALF_SECONDS = 60.0


class Relay:
    """One connection's two directions.

    Args:
        exchange: Told when it ended because nothing moved.
        idle: Seconds without a byte before it is ended.
    """

    def __init__(self, exchange: Exchange, idle: float) -> None:
        self._exchange = exchange
        self._idle = idle
        self._deadline = asyncio.timeout(idle)
        self._up_task: asyncio.Task[None] | None = None

    async def both(self, up: Coroutine[None, None, None], down: Coroutine[None, None, None]) -> None:
        """Run both directions; what one raises ends the other, and is raised."""
        try:
            async with self._deadline, asyncio.TaskGroup() as group:
                self._up_task = group.create_task(up)
                group.create_task(down)
        except TimeoutError:
            self._exchange.reason = f"nothing moved for {self._idle:g} s"
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from None

    def end_up(self) -> None:
        """Give up the way up; the way down said all."""
        if self._up_task is not None:
            self._up_task.cancel()

    def half(self) -> None:
        """One direction ended; the other is not waited for as long."""
        self._idle = min(self._idle, _HALF_SECONDS)
        self.moved()

    def moved(self) -> None:
        """Something moved: wait as long again."""
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._idle)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended both directions; one of ours says more than a broken connection."""
    return min(group.exceptions, key=lambda error: isinstance(error, OSError))
