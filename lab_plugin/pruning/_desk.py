"""The curves of one tier's ideas, and which runs are ended for theirs."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lab_plugin.config import CURVES, Pruning
from lab_plugin.pruning import _words
from lab_plugin.pruning._pruned import Past, Pruned
from lab_plugin.pruning._reader import CurveReader, Reading
from lab_plugin.pruning._watch import Watched, watch

if TYPE_CHECKING:
    from lab_plugin.pruning._study import Running, Study

_MORE = CURVES // 2
T = TypeVar("T")
Goal = Literal["maximize", "minimize"]


class PruningDesk:
    """Watches the first run of each point of an idea.

    Curves of different tiers are never mixed: each tier has a desk of its own.

    Args:
        rule: `[pruning]`; None to read curves and end nothing.
        goal: Of the metric.
        tier: Whose curves these are.
    """

    def __init__(self, rule: Pruning | None, goal: Goal, tier: str = "final") -> None:
        self._rule = rule
        self._metric_goal = goal
        self._goal: Goal = (rule.goal if rule is not None else None) or goal
        self.tier = tier
        self._pasts: deque[Past] = deque(maxlen=CURVES)
        self._study: Study | None = None
        self._running: dict[tuple[int, int], Running] = {}
        self._opening = asyncio.Lock()
        self._meanwhile: list[Past] = []
        self._others = 0

    @property
    def prunes(self) -> bool:
        """Whether runs are ended at all."""
        return self._rule is not None

    async def watch(
        self, number: int, index: int, run: Coroutine[Any, Any, T], log: Path, log_bytes: int
    ) -> Watched[T]:
        """Run a point of an idea, and end it when its curve is one to end.

        Args:
            number: The idea's.
            index: Of the point.
            run: Cancelled to end it.
            log: The candidate's stdout.
            log_bytes: Of it at most.

        Raises:
            asyncio.CancelledError: Cancelled; the run is over.
            Exception: What the run raised.
        """
        if self._rule is None:
            return await watch(run, log, log_bytes, lambda point, reader: None)
        try:
            running = await self._begin(number, index)
        except BaseException:
            run.close()
            raise
        return await watch(run, log, log_bytes, lambda point, reader: self._judge(running, point, reader))

    def settle(self, number: int, pasts: Mapping[int, Past]) -> None:
        """Take in what came of an idea's points, once it has its verdict.

        Args:
            number: The idea's.
            pasts: By the index of the point; only those that ran and have a curve.
        """
        running = {key: self._running.pop(key) for key in tuple(self._running) if key[0] == number}
        if self._rule is None:
            return
        for index, past in sorted(pasts.items()):
            self._pasts.append(past)
            if self._opening.locked():
                self._meanwhile.append(past)
            known = running.get((number, index))
            if self._study is None:
                continue
            if known is not None and known.study is self._study:
                self._study.end(known, past)
            else:
                self._study.add(past)

    def recall(self, pasts: Iterable[Past]) -> None:
        """Take in earlier ideas' curves, oldest first; only the newest are kept."""
        self._pasts.extend(pasts)
        self._study = None
        self._others += 1

    def forget(self) -> None:
        """Forget all earlier curves: the machine has changed."""
        self._pasts.clear()
        self._study = None
        self._others += 1

    async def _begin(self, number: int, index: int) -> Running:
        async with self._opening:
            again = self._running.pop((number, index), None)
            grown = self._study is not None and self._study.size > CURVES + _MORE
            if self._study is None or again is not None or grown:
                self._study = await self._opened()
            running = self._running[(number, index)] = self._study.begin()
            return running

    async def _opened(self) -> Study:
        # Not needed without `[pruning]`, and slow to import.
        from lab_plugin.pruning._study import Study

        assert self._rule is not None
        others = -1
        while others != self._others:
            others = self._others
            study = Study(self._rule, self._goal, flip=self._goal != self._metric_goal)
            self._meanwhile = list(self._pasts)
            while self._meanwhile and others == self._others:
                study.add(self._meanwhile.pop(0))
                # Hundreds of long curves take a second, and all slots share this loop.
                await asyncio.sleep(0)
        return study

    def _judge(self, running: Running, point: Reading, reader: CurveReader) -> Pruned | None:
        assert self._rule is not None
        if not math.isfinite(point.value):
            return _words.diverged(point.step, point.value, reader.curve())
        if point.kept and running.study.should_end(running, curve := reader.curve()):
            return _words.pruned(self._rule, self._goal, running.study, curve)
        return None
