"""Ideas on their way through the tiers, and who is next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from lab_plugin.promotion import Goal, Rule, Rung
from lab_plugin.scheduling._line import Line

Condition = Literal["decided", "kept"]
Phase = Literal["ready", "under way", "waiting"]


class Visit(NamedTuple):
    """What a slot takes: an idea, and the tier from which it goes on.

    Attributes:
        number: The idea's.
        tier: Name of the tier.
    """

    number: int
    tier: str


@dataclass(frozen=True)
class Stage:
    """One tier as the schedule sees it.

    Attributes:
        name: The tier's.
        rule: Who goes on from here; None for the last tier, which decides.
        goal: Which way its metric is better.
    """

    name: str
    rule: Rule | None = None
    goal: Goal = "maximize"


@dataclass(frozen=True)
class Entry:
    """An idea that has no verdict yet.

    Attributes:
        number: The idea's.
        tier: Index of its tier.
        phase: `ready` to be taken, `under way` in a slot, or `waiting` to be promoted.
        priority: The highest goes first.
        after: Idea -> what must have come of it before this one starts.
        held: Somebody holds it back.
        started: It was taken once, and counts as under way until its verdict.
    """

    number: int
    tier: int = 0
    phase: Phase = "ready"
    priority: int = 0
    after: Mapping[int, Condition] = field(default_factory=dict)
    held: bool = False
    started: bool = False


class Schedule:
    """Says who is next, and takes in what came of whom.

    Args:
        stages: The tiers, the cheapest first; the last one decides.
        line: Makes the order of results independent of speed; None for results in the order in which they
            come.
    """

    def __init__(self, stages: Sequence[Stage], line: Line | None = None) -> None:
        self._stages = tuple(stages)
        self._rungs = [Rung(stage.rule, stage.goal) for stage in stages if stage.rule is not None]
        self._line = line
        self._entries: dict[int, Entry] = {}
        self._ready: set[int] = set()
        self._under_way: set[int] = set()
        self._started: set[int] = set()
        self._words: dict[int, str] = {}

    def __len__(self) -> int:
        """Ideas without a verdict."""
        return len(self._entries)

    def __contains__(self, number: object) -> bool:
        return number in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    @property
    def busy(self) -> bool:
        """Whether an idea is in a slot."""
        return bool(self._under_way)

    @property
    def held_back(self) -> bool:
        """Whether an idea that was started waits for somebody to let it go on."""
        return any(entry.held and entry.started for entry in self._ready_entries())

    @property
    def in_flight(self) -> frozenset[int]:
        """Ideas that were started and have no verdict yet."""
        return frozenset(self._started)

    @property
    def room(self) -> bool:
        """Whether the order of results lets a new idea be made now."""
        return self._line is None or self._line.room > 0

    def is_idle(self, number: int) -> bool:
        """Whether an idea has no verdict and is in no slot."""
        return number in self._entries and number not in self._under_way

    def tier_of(self, number: int) -> str:
        """Name of the tier at which an idea is."""
        return self._stages[self._entries[number].tier].name

    def screens(self, number: int) -> bool:
        """Whether an idea is at a tier before the last."""
        return self._entries[number].tier < len(self._rungs)

    def offer(
        self,
        number: int,
        *,
        priority: int = 0,
        after: Mapping[int, Condition] | None = None,
        held: bool = False,
        started: bool = False,
        tier: int = 0,
    ) -> None:
        """Take in an idea that may start; one that is known already stays as it is.

        Args:
            number: The idea's.
            priority: The highest goes first; 0 for what a proposer makes.
            after: Idea -> what must have come of it before this one starts.
            held: Somebody holds it back.
            started: It counts as started.
            tier: Index of the tier at which it starts.
        """
        if number in self._entries:
            return
        self._put(Entry(number, tier, "ready", priority, dict(after or {}), held, started))
        self._line_up()

    def take(self, *, fresh: bool = True) -> Visit | None:
        """Give out who is next; None when nobody can start now.

        Args:
            fresh: Whether ideas may be taken that were not started yet.
        """
        may = (entry for entry in self._startable() if fresh or entry.started)
        entry = min(may, key=self._rank, default=None)
        if entry is None:
            return None
        self._put(replace(entry, phase="under way", started=True))
        return Visit(entry.number, self._stages[entry.tier].name)

    def give_back(self, number: int) -> None:
        """Make an idea that was taken ready again, at the tier at which it is."""
        self._put(replace(self._entries[number], phase="ready"))

    def may_count(self, number: int) -> bool:
        """Whether the result or verdict of an idea may count now, by the order of results."""
        return self._line is None or self._line.is_first(number)

    def result(self, number: int, value: float, passed: bool | None = None) -> bool:
        """Take in the result of an idea at a screening tier.

        Args:
            number: The idea's.
            value: Of the tier's metric.
            passed: What the decision rule says of it, for a tier that promotes by it.

        Returns:
            Whether the idea goes on at once, in the slot that it is in.
        """
        entry = self._entries[number]
        rung = self._rungs[entry.tier]
        self._leave_line(number)
        self._put(replace(entry, phase="waiting"))
        self._promote(rung.add(number, value, passed))
        if number not in self._ready or self._line is not None:
            return False
        self._put(replace(self._entries[number], phase="under way"))
        return True

    def dropped(self) -> list[tuple[int, str]]:
        """Ideas that can never be promoted any more, each with its standing; each is told once."""
        return [
            (number, rung.standing(number))
            for rung in self._rungs
            for number in rung.dropped()
            if number in self._entries
        ]

    def finish(self) -> None:
        """No new results come for the lowest tier at which ideas wait: its rule has its last word.

        To be called when nothing is ready or under way, until nothing waits; ideas that a tier promotes give
        the tier above further results.
        """
        rung = next((rung for rung in self._rungs if rung.waiting), None)
        if rung is not None:
            self._promote(rung.finish())

    def waiting(self) -> list[int]:
        """Ideas that wait to be promoted."""
        return [number for rung in self._rungs for number in rung.waiting if number in self._entries]

    def standing(self, number: int, tier: str) -> str:
        """Where an idea that has a result at a tier stands there."""
        names = [stage.name for stage in self._stages]
        return self._rungs[names.index(tier)].standing(number)

    def withdraw(self, number: int) -> None:
        """An idea came to nothing before it was made."""
        self._entries.pop(number, None)
        for numbers in (self._ready, self._under_way, self._started):
            numbers.discard(number)
        self._leave_line(number)

    def decided(self, number: int, word: str) -> None:
        """An idea has its verdict."""
        self._words[number] = word
        self._leave_line(number)
        if self._entries.pop(number, None) is not None:
            for numbers in (self._ready, self._under_way, self._started):
                numbers.discard(number)
            for rung in self._rungs:
                rung.drop(number)
        self._line_up()

    def change(self, number: int, *, priority: int | None = None, held: bool | None = None) -> None:
        """Give an idea another priority, hold it back or let it go on; nothing for one that is decided."""
        entry = self._entries.get(number)
        if entry is None:
            return
        priority = entry.priority if priority is None else priority
        self._put(replace(entry, priority=priority, held=entry.held if held is None else held))
        if held and entry.phase == "ready":
            self._leave_line(number)
        self._line_up()

    def hopeless(self) -> list[tuple[int, str]]:
        """Ideas that can never start, each with the reason: a condition failed, or they wait in a circle."""
        found = [
            (entry.number, f"only if idea {failed[0]} is kept, and it was {self._words[failed[0]]}")
            for entry in self._ready_entries()
            if (failed := self._failed(entry))
        ]
        known = {number for number, _ in found}
        return found + [(number, reason) for number, reason in self._stuck() if number not in known]

    def blocked_by(self, number: int) -> tuple[int, ...]:
        """Ideas for which an idea waits before it starts."""
        entry = self._entries.get(number)
        return tuple(other for other in entry.after if other not in self._words) if entry else ()

    def _stuck(self) -> Iterator[tuple[int, str]]:
        """Ideas that wait for ideas that wait for them, or for one that is not there."""
        blocked = {entry.number: set(self.blocked_by(entry.number)) for entry in self._ready_entries()}
        blocked = {number: others for number, others in blocked.items() if others}
        free = self._entries.keys() - blocked.keys()
        while ready := [number for number, others in blocked.items() if others <= free]:
            free.update(ready)
            for number in ready:
                del blocked[number]
        for number, others in blocked.items():
            missing = sorted(other for other in others if other not in self._entries)
            what = f"which is not there: idea {missing[0]}" if missing else "which waits for this one"
            yield number, f"it is to run after an idea {what}"

    def _startable(self) -> Iterable[Entry]:
        free = (entry for entry in self._ready_entries() if not entry.held)
        return (entry for entry in free if not (self.blocked_by(entry.number) or self._failed(entry)))

    def _failed(self, entry: Entry) -> tuple[int, ...]:
        """Ideas that had to be kept, and were not."""
        kept = (other for other, condition in entry.after.items() if condition == "kept")
        return tuple(other for other in kept if self._words.get(other, "kept") != "kept")

    def _ready_entries(self) -> Iterator[Entry]:
        return (self._entries[number] for number in self._ready)

    def _put(self, entry: Entry) -> None:
        self._entries[entry.number] = entry
        for phase, numbers in (("ready", self._ready), ("under way", self._under_way)):
            (numbers.add if entry.phase == phase else numbers.discard)(entry.number)
        if entry.started:
            self._started.add(entry.number)

    def _rank(self, entry: Entry) -> tuple[int, ...]:
        if self._line is not None:
            # The first in the line must always be able to run.
            return (self._line.place_of(entry.number),)
        # What is nearest to its verdict goes first among equals.
        return (-entry.priority, -entry.tier, entry.number)

    def _promote(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            entry = self._entries.get(number)
            if entry is None:
                continue
            self._put(replace(entry, tier=entry.tier + 1, phase="ready"))
            self._line_up()

    def _line_up(self) -> None:
        """Put ideas that can start at the end of the line: one that waits for another would block that."""
        if self._line is not None:
            for entry in sorted(self._startable(), key=lambda entry: (-entry.priority, entry.number)):
                self._line.append(entry.number)

    def _leave_line(self, number: int) -> None:
        if self._line is not None:
            self._line.leave(number)
