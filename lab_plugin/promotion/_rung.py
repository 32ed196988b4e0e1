"""One tier of one campaign, and who goes on from it."""

from __future__ import annotations

import math
from typing import Literal

from lab_plugin.promotion._ranking import Ranking
from lab_plugin.promotion._rules import Decided, Goal, Quantile, Rule, Threshold, TopK

WAITED = "it waited to be promoted when the campaign ended: "
"""Begins the reason of an idea whose tier had no last word, as nothing may go on any more."""

_Fate = Literal["waiting", "promoted", "dropped", "taken out"]


class Rung:
    """Takes in the results of one tier, and says who goes on.

    The same calls in the same order give the same answers, so that a campaign that starts again replays its
    ledger's results and goes on as if nothing had happened. Not safe for several threads.

    Args:
        rule: Who goes on.
        goal: Which values are better.
    """

    def __init__(self, rule: Rule, goal: Goal) -> None:
        self._rule = rule
        self._goal: Goal = goal
        self._values: dict[int, float] = {}
        self._fates: dict[int, _Fate] = {}
        self._standings: dict[int, str] = {}
        self._dropped: list[int] = []
        self._finished = self._promoted = False
        self._open_cohort()

    def add(self, number: int, value: float, passed: bool | None = None) -> tuple[int, ...]:
        """Take in a result.

        Args:
            number: The idea's; it has no result here yet.
            value: Finite.
            passed: Whether the tier's decision rule kept it; only the rule `Decided` looks at it, and needs
                it.

        Returns:
            The ideas that go on now, best first; they need not contain this one.

        Raises:
            ValueError: A second result of an idea, a value that is not finite, or no word on whether the
                decision rule kept it.
        """
        self._check(number, value, passed)
        self._finished = False
        self._values[number] = value
        self._fates[number] = "waiting"
        match self._rule:
            case TopK(k, of):
                self._rank(number)
                return self._decide(k) if self._count == of else ()
            case Quantile():
                self._rank(number)
                return self._promote_due(self._rule, number)
            case Threshold(bar):
                side = "at least" if self._goal == "maximize" else "at most"
                reached = self._rule.reached(value, self._goal)
                word = "and" if reached else "but"
                return self._settle(
                    number, reached, f"its value is {value:.6g}, {word} {side} {bar:.6g} goes on"
                )
            case Decided():
                kept = "keeps" if passed else "does not keep"
                return self._settle(number, bool(passed), f"the decision rule {kept} it")

    def finish(self) -> tuple[int, ...]:
        """No more results are under way; a second call does nothing. What comes later still counts.

        Of a cohort that stayed incomplete the same share goes on as of a full one, rounded down, and at
        least the best one where nothing went on before (`TopK.places`). Of the whole campaign the best k go
        on. Under a quantile all that were due went on already.

        Returns:
            The ideas that still go on, best first.
        """
        if self._finished:
            return ()
        self._finished = True
        match self._rule:
            case TopK():
                return self._decide(self._rule.places(self._count, promoted=self._promoted))
            case Quantile():
                places = self._rule.places(self._count)
                for place, number in enumerate(self._ranking):
                    if self._fates[number] == "waiting":
                        self._close(number, "dropped", self._told(place, places))
        return ()

    def drop(self, number: int) -> None:
        """Take an idea out, as one that was cancelled.

        One that waits frees its place for the next; its result still counts as one that came. One that went
        on, was dropped or has no result here stays as it is.
        """
        if self._fates.get(number) == "waiting":
            self._ranking.remove(number, self._values[number])
            self._fates[number] = "taken out"
            self._standings[number] = "it was taken out"

    def dropped(self) -> tuple[int, ...]:
        """The ideas that can never go on any more, each told once; without those taken out by `drop`."""
        told, self._dropped = tuple(self._dropped), []
        return told

    @property
    def waiting(self) -> tuple[int, ...]:
        """The ideas with a result that may still go on, best first."""
        return tuple(number for number in self._ranking if self._fates[number] == "waiting")

    def waits(self, number: int) -> bool:
        """Whether an idea has a result and may still go on."""
        return self._fates.get(number) == "waiting"

    def standing(self, number: int) -> str:
        """Where an idea stands, such as "rank 5 of 12, and the best 4 go on".

        For one that waits: as it is now. For one that went on or was dropped: as it was at that moment.

        Raises:
            ValueError: It has no result here.
        """
        if number not in self._values:
            raise ValueError(f"idea {number} has no result at this tier")
        if self._fates[number] != "waiting":
            return self._standings[number]
        place = self._ranking.place(number, self._values[number])
        match self._rule:
            case TopK(k, of):
                among = "the whole campaign" if of is None else f"every {of}"
                return f"rank {place + 1} of {len(self._ranking)} so far; of {among} {_go_on(k)}"
            case Quantile():
                return self._told(place, self._rule.places(self._count))
            case _:
                raise AssertionError("this rule lets nobody wait")

    def _check(self, number: int, value: float, passed: bool | None) -> None:
        if number in self._values:
            raise ValueError(f"idea {number} has a result at this tier already")
        if not math.isfinite(value):
            raise ValueError(f"the value of idea {number} is not finite")
        if isinstance(self._rule, Decided) and passed is None:
            raise ValueError(f"whether the decision rule keeps idea {number} is not said")

    def _open_cohort(self) -> None:
        self._ranking = Ranking(-1 if self._goal == "maximize" else 1)
        self._count = 0

    def _rank(self, number: int) -> None:
        self._ranking.add(number, self._values[number])
        self._count += 1

    def _decide(self, places: int) -> tuple[int, ...]:
        """Decide the cohort, and open the next."""
        numbers = tuple(self._ranking)
        for place, number in enumerate(numbers):
            self._close(number, "promoted" if place < places else "dropped", self._told(place, places))
        self._open_cohort()
        return numbers[:places]

    def _promote_due(self, rule: Quantile, number: int) -> tuple[int, ...]:
        # All better ones went on before, so that only the new one or the last in a place can be due.
        places = rule.places(self._count)
        place = self._ranking.place(number, self._values[number])
        if place >= places:
            place = min(places, len(self._ranking)) - 1
        if place < 0 or self._fates[self._ranking[place]] != "waiting":
            return ()
        due = self._ranking[place]
        self._close(due, "promoted", self._told(place, places))
        return (due,)

    def _settle(self, number: int, goes_on: bool, standing: str) -> tuple[int, ...]:
        self._close(number, "promoted" if goes_on else "dropped", standing)
        return (number,) if goes_on else ()

    def _close(self, number: int, fate: Literal["promoted", "dropped"], standing: str) -> None:
        self._fates[number] = fate
        self._standings[number] = standing
        if fate == "promoted":
            self._promoted = True
        else:
            self._dropped.append(number)

    def _told(self, place: int, places: int) -> str:
        return f"rank {place + 1} of {len(self._ranking)}{self._tie(place, places)}, and {_go_on(places)}"

    def _tie(self, place: int, places: int) -> str:
        """Said where only its number keeps an idea from going on."""
        if not 0 < places <= place:
            return ""
        last, here = (self._values[self._ranking[each]] for each in (places - 1, place))
        return " (equal values in the order of their numbers)" if last == here else ""


def _go_on(places: int) -> str:
    if places == 0:
        return "none of so few goes on"
    return "the best one goes on" if places == 1 else f"the best {places} go on"
