"""The allocator: who may run now, and who waits for how long."""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from lab_plugin.errors import LabError
from lab_plugin.slots._capacity import Capacity, Need

OVERTAKEN = 8
"""How often others may go before a request that does not fit yet."""
_PARTS = 1_000_000


@dataclass(eq=False)
class _Request:
    """One that waits.

    Attributes:
        need: What it needs.
        order: Its place in the queue; smaller is earlier.
        granted: Its cards, once it has everything.
        overtaken: How many later ones went before it.
    """

    need: Need
    order: tuple[int, int]
    granted: asyncio.Future[tuple[str, ...]]
    overtaken: int = 0


@dataclass
class _Use:
    """What is taken; cores in whole parts, since sums of fractions would drift."""

    parts: int = 0
    cards: Counter[str] = field(default_factory=Counter)


class Gate(Protocol):
    """Says whether who asks may start a program now."""

    @property
    def priority(self) -> int:
        """Of who asks; higher ones are served first."""

    @property
    def is_open(self) -> bool:
        """Whether a program may start."""

    async def opened(self) -> None:
        """Wait until one may; it may be shut again by then."""


class Slots:
    """Cores and cards, for programs of one event loop.

    The first to come is the first to be served; among those who wait, a higher priority comes before all
    lower ones. One that does not fit yet lets later ones go before it, `OVERTAKEN` times in all; after that
    whatever becomes free is kept for it.

    Args:
        capacity: What there is.
        gate: Where who needs something asks first; None for one that is always open.

    Attributes:
        capacity: The same.
    """

    def __init__(self, capacity: Capacity, gate: Gate | None = None) -> None:
        self.capacity = capacity
        self._gate = gate
        self._parts = _parts(capacity.cpus)
        self._use = _Use()
        self._queue: list[_Request] = []
        self._arrivals = itertools.count()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(not request.granted.done() for request in self._queue)

    @property
    def idle(self) -> bool:
        """Whether nothing is taken and nobody waits."""
        return not self._use.parts and not self._use.cards.total() and not self.waiting

    @asynccontextmanager
    async def taken(self, need: Need, priority: int | None = None) -> AsyncIterator[tuple[str, ...]]:
        """Hold what a run needs; it is given back however the block ends.

        Args:
            need: What it needs.
            priority: Higher ones are served first; None for what the gate says, or 0.

        Yields:
            Ids of its cards, as many as it needs.

        Raises:
            LabError: There is not so much of it at all.
        """
        cards = await self._take_at_open_gate(need, priority)
        try:
            yield cards
        finally:
            self._give_back(need, cards)

    async def _take_at_open_gate(self, need: Need, priority: int | None) -> tuple[str, ...]:
        gate = self._gate
        if gate is None:
            return await self._take(need, priority or 0)
        while True:
            await gate.opened()
            cards = await self._take(need, gate.priority if priority is None else priority)
            if gate.is_open:
                return cards
            # It was shut while this one waited.
            self._give_back(need, cards)

    async def _take(self, need: Need, priority: int) -> tuple[str, ...]:
        if _parts(need.cpus) > self._parts or need.gpus > len(self.capacity.cards):
            raise LabError(
                f"{need.cpus:g} cores and {need.gpus} GPUs are asked for, and there are {self.capacity}.",
                "Ask for less, or say in [resources] what there is.",
            )
        future: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
        request = _Request(need, (-priority, next(self._arrivals)), future)
        insort(self._queue, request, key=lambda other: other.order)
        self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                # It may have been all that others waited behind.
                self._serve()
            else:
                self._give_back(need, future.result())
            raise

    def _serve(self) -> None:
        """Let all go that may, in the order of the queue."""
        behind: list[_Request] = []
        waiting = [request for request in self._queue if not request.granted.done()]
        for request in waiting:
            cards = self._fitting(request.need)
            if cards is not None:
                self._use.parts += _parts(request.need.cpus)
                self._use.cards.update(cards)
                request.granted.set_result(cards)
                for passed in behind:
                    passed.overtaken += 1
            else:
                behind.append(request)
            if any(passed.overtaken >= OVERTAKEN for passed in behind):
                break
        self._queue = [request for request in waiting if not request.granted.done()]

    def _fitting(self, need: Need) -> tuple[str, ...] | None:
        """Cards for a need that fits now, the least used first; None when it does not fit."""
        if self._use.parts + _parts(need.cpus) > self._parts:
            return None
        used = self._use.cards
        free = [card for card in self.capacity.cards if used[card] < self.capacity.jobs_per_gpu]
        if len(free) < need.gpus:
            return None
        return tuple(sorted(free, key=lambda card: used[card])[: need.gpus])

    def _give_back(self, need: Need, cards: tuple[str, ...]) -> None:
        self._use.parts -= _parts(need.cpus)
        self._use.cards.subtract(cards)
        self._serve()


def _parts(cpus: float) -> int:
    return round(cpus * _PARTS)
