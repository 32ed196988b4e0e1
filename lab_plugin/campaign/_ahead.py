"""Work that is begun before somebody asks for what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Work by the number of its idea; each is taken once, or forgotten."""

    def __init__(self) -> None:
        self._begun: dict[int, asyncio.Future[T]] = {}

    def begin(self, number: int, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Begin the work of an idea, of which there is none yet; returns what will come of it."""
        begun = self._begun[number] = asyncio.ensure_future(work)
        # Who takes it hears of a failure; one that nobody takes is of no interest.
        begun.add_done_callback(lambda done: done.cancelled() or done.exception())
        return begun

    def take(self, number: int) -> asyncio.Future[T] | None:
        """The work of an idea, to be awaited; None where none was begun, or it was taken."""
        return self._begun.pop(number, None)

    async def forget(self) -> None:
        """End what nobody took."""
        left = tuple(self._begun.values())
        self._begun.clear()
        for begun in left:
            begun.cancel()
        await asyncio.gather(*left, return_exceptions=True)
