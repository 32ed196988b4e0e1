"""Runs repeats: each tree once per seed, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lab_plugin.comparison._store import RepeatStore
from lab_plugin.scorer import Score


class RunRepeat(Protocol):
    """Runs and scores a tree on a seed."""

    async def __call__(self, number: int, tree: str, params: Mapping[str, Any] | None, seed: int) -> Score:
        """Run it.

        Args:
            number: The idea's; 0 for the baseline.
            tree: Its tree.
            params: Its parameters; None for those that the tree holds.
            seed: `LAB_SEED`.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """


class Repeats:
    """Scores of trees on seeds, from the store or from a run.

    Args:
        run: Runs one.
        store: Keeps those with a value until their verdict.
        metrics: All that a score must have, the lab's first.
    """

    def __init__(self, run: RunRepeat, store: RepeatStore, metrics: Sequence[str]) -> None:
        self._run = run
        self._store = store
        self._metrics = metrics
        self._running: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def score(
        self, number: int, tree: str, params: Mapping[str, Any] | None, seed: int, *, again: bool = False
    ) -> Score:
        """The score of a tree on a seed; of no seconds where it was known.

        Args:
            number: The idea's; 0 for the baseline.
            tree: Its tree.
            params: Its parameters; None for those that the tree holds.
            seed: `LAB_SEED`.
            again: Run it also where it is known, and do not keep it.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        async with self._running[tree, seed]:
            if not again and (known := self._store.get(tree, seed)) is not None:
                return Score(status="scored", value=known.value, metrics=known.metrics)
            score = self.complete(await self._run(number, tree, params, seed))
            if not again and score.value is not None:
                await asyncio.to_thread(self._store.put, tree, seed, score)
            return score

    def complete(self, score: Score) -> Score:
        """A score, or its rejection where it lacks a metric that the decision looks at."""
        missing = [name for name in self._metrics if name not in score.metrics]
        if score.value is None or not missing:
            return score
        reason = f"the scorecard lacks the metric {missing[0]!r}, which [decision] looks at"
        return Score(status="rejected", reason=reason, seconds=score.seconds)
