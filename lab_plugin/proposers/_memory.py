"""What a sampling proposer remembers, and the bounded part of it that its sampler sees.

Optuna's TPE costs time in proportion to the trials that it sees. It uses them in two ways: the best tenth,
at most 25, make the density of good points; the others make the density of the rest, where old ones weigh
almost nothing. So the sampler sees the best `BEST` and the most recent `RECENT` scored points (a point may
be both), the latest `PRUNED` that were pruned, the latest `FAILED` without a value, and whatever is pending.
The choice depends on nothing but the order in which outcomes were told.

Of a pruned point Optuna's TPE (5.0) uses the last step that it came to, and the curve's value there: pruned
points rank behind all that have a score, the longer curve first, and of equally long ones the better.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab_plugin.proposers._space import Code

BEST = 30
RECENT = 100
FAILED = 24
PRUNED = 50


@dataclass(frozen=True, order=True)
class Entry:
    """One told point.

    Attributes:
        loss: Lower is better, whatever the goal; infinite when the point has no value.
        order: Position in the order of telling.
        number: The idea's number.
        code: The point.
        end: Last step and value of its curve, lower is better, when it was pruned.
    """

    loss: float
    order: int
    number: int
    code: Code
    end: tuple[int, float] | None = None

    @property
    def scored(self) -> bool:
        """False when the point has no value."""
        return self.loss < math.inf


class Memory:
    """Every point that was told, and those that are still pending."""

    def __init__(self) -> None:
        self.scored = 0
        self.pruned = 0
        self._tried: set[Code] = set()
        self._best: list[Entry] = []
        self._recent: deque[Entry] = deque(maxlen=RECENT)
        self._failed: deque[Entry] = deque(maxlen=FAILED)
        self._pruned: deque[Entry] = deque(maxlen=PRUNED)
        self._ends: dict[tuple[int, Code], Entry] = {}
        self._pending: dict[int, list[Code]] = {}
        self._order = 0

    @property
    def learnt(self) -> int:
        """How many points an estimator learns from."""
        return self.scored + self.pruned

    @property
    def best(self) -> Entry | None:
        """The best scored point so far; the earliest of equals."""
        return self._best[0] if self._best else None

    def add(self, number: int, code: Code, loss: float | None, end: tuple[int, float] | None = None) -> None:
        """Remember what came of a point; costs the same however many came before.

        Args:
            number: The idea's.
            code: The point.
            loss: Lower is better; None without a value.
            end: Last step and value of the curve of a point that was pruned; lower is better. What is told of
                the point later takes its place.
        """
        self._forget_end(number, code)
        entry = Entry(math.inf if loss is None else loss, self._order, number, code, end)
        self._order += 1
        self._tried.add(code)
        if end is not None:
            if len(self._pruned) == PRUNED:
                oldest = self._pruned[0]
                self._ends.pop((oldest.number, oldest.code), None)
            self.pruned += 1
            self._pruned.append(entry)
            self._ends[number, code] = entry
            return
        if not entry.scored:
            self._failed.append(entry)
            return
        self.scored += 1
        self._recent.append(entry)
        bisect.insort(self._best, entry)
        del self._best[BEST:]

    def _forget_end(self, number: int, code: Code) -> None:
        """A point that had come so far goes on."""
        earlier = self._ends.pop((number, code), None)
        if earlier is not None:
            self.pruned -= 1
            self._pruned.remove(earlier)

    def visible(self) -> list[Entry]:
        """What the sampler sees, in the order of telling."""
        return sorted(
            {*self._best, *self._recent, *self._pruned, *self._failed}, key=lambda entry: entry.order
        )

    def taken(self, code: Code) -> bool:
        """Whether a point was told or is pending."""
        return code in self._tried or any(code in codes for codes in self._pending.values())

    def taken_count(self) -> int:
        """How many different points were told or are pending."""
        return len(self._tried) + len({code for code in self.pending() if code not in self._tried})

    def pending(self) -> Iterator[Code]:
        """Points that were asked for and not yet told."""
        for codes in self._pending.values():
            yield from codes

    def expect(self, number: int, codes: Iterable[Code]) -> None:
        """Note the points of an idea as pending, in place of what was pending for it."""
        self._pending[number] = list(codes)

    def settle(self, number: int, code: Code | None) -> None:
        """End what is pending for an idea: the one point that was told, or all when none of them was."""
        codes = self._pending.pop(number, [])
        if code in codes:
            codes.remove(code)
            if codes:
                self._pending[number] = codes
