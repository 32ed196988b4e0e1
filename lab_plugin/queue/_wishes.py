"""What the owner wishes of the queue, and its form as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lab_plugin.strict_json import NotStrict, load_strict

MOST_PRIORITY = 1_000
"""A priority is at most so much above or below 0."""
LARGEST = 256 << 10
_MOST = 10_000
_HIGHEST = 10**9
_LISTS = ("added", "cancelled", "held")
_KEYS = {*_LISTS, "paused", "priorities"}


class Unfit(ValueError):
    """These bytes are no wishes; the message says why."""


@dataclass(frozen=True)
class Wishes:
    """What the owner wishes of the ideas that have no verdict yet.

    Attributes:
        paused: Nothing new starts.
        held: Ideas of which nothing new starts.
        cancelled: Ideas that are to end at once, undecided.
        priorities: Idea -> its priority, where the owner gave one; -1,000 to 1,000.
        added: Ideas that were put into the queue and that no campaign has seen yet.
    """

    paused: bool = False
    held: frozenset[int] = frozenset()
    cancelled: frozenset[int] = frozenset()
    priorities: Mapping[int, int] = field(default_factory=dict)
    added: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is wished."""
        return self != Wishes()

    def without(self, numbers: Iterable[int]) -> Wishes:
        """The same, but for some ideas: those that are decided."""
        gone = set(numbers)
        priorities = {number: value for number, value in self.priorities.items() if number not in gone}
        lists: dict[str, Any] = {name: getattr(self, name) - gone for name in _LISTS}
        return replace(self, priorities=priorities, **lists)

    def merged(self, base: Wishes, other: Wishes) -> Wishes:
        """These with what others changed since.

        Args:
            base: What both came from.
            other: What the others made of it; where both changed the same, theirs counts.
        """
        lists: dict[str, Any] = {}
        for name in _LISTS:
            before, theirs = getattr(base, name), getattr(other, name)
            lists[name] = (getattr(self, name) | (theirs - before)) - (before - theirs)
        priorities = dict(self.priorities)
        for number in base.priorities.keys() | other.priorities.keys():
            value = other.priorities.get(number)
            if value == base.priorities.get(number):
                continue
            if value is None:
                priorities.pop(number, None)
            else:
                priorities[number] = value
        paused = self.paused if other.paused == base.paused else other.paused
        return Wishes(paused, priorities=priorities, **lists)

    def renumbered(self, before: int, after: int) -> Wishes:
        """The same of an idea that has another number now."""
        lists: dict[str, Any] = {
            name: frozenset(after if number == before else number for number in getattr(self, name))
            for name in _LISTS
        }
        priorities = {
            after if number == before else number: value for number, value in self.priorities.items()
        }
        return replace(self, priorities=priorities, **lists)

    def encode(self) -> bytes:
        """Canonical JSON."""
        document: dict[str, Any] = {name: sorted(getattr(self, name)) for name in _LISTS}
        document["paused"] = self.paused
        document["priorities"] = {str(number): value for number, value in self.priorities.items()}
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Wishes:
        """Read wishes back.

        Raises:
            Unfit: These bytes are none.
        """
        try:
            document = load_strict(data.decode("utf-8"))
        except NotStrict as error:
            raise Unfit(f"it {error}") from None
        except (ValueError, RecursionError) as error:
            raise Unfit(f"it is no JSON: {error}") from None
        if not isinstance(document, dict) or document.keys() - _KEYS:
            raise Unfit("it is no table of " + ", ".join(sorted(_KEYS)))
        paused, priorities = document.get("paused", False), document.get("priorities", {})
        if not isinstance(paused, bool):
            raise Unfit("paused is neither true nor false")
        if not isinstance(priorities, dict) or len(priorities) > _MOST:
            raise Unfit(f"priorities is no table of at most {_MOST} ideas")
        lists: dict[str, Any] = {name: _numbers(name, document.get(name, [])) for name in _LISTS}
        return cls(paused, priorities=dict(_priority(*pair) for pair in priorities.items()), **lists)


def _numbers(name: str, value: object) -> frozenset[int]:
    if not isinstance(value, list) or len(value) > _MOST or not all(_is_number(entry) for entry in value):
        raise Unfit(f"{name} is no list of at most {_MOST} numbers of ideas")
    return frozenset(value)


def _is_number(value: object) -> bool:
    return type(value) is int and 1 <= value <= _HIGHEST


def _priority(text: str, value: object) -> tuple[int, int]:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0
    if not _is_number(number) or str(number) != text:
        raise Unfit("priorities names something that is no number of an idea")
    if type(value) is not int or abs(value) > MOST_PRIORITY:
        raise Unfit(f"the priority of idea {number} is no whole number from -1000 to 1000")
    return number, value
