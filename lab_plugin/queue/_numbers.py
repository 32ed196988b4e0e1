"""The numbers of ideas: each is given out once, whoever asks."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from lab_plugin.errors import RefConflict, RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.repository import RefChange, Repository, holder

_BLOCK = 8
_TRIES = 100
_LARGEST = 1_000
_HIGHEST = 10**9
_LONGEST_PAUSE = 0.05
_Who = Literal["new campaign", "campaign", "beside"]


def used_numbers(lab: Lab) -> Iterator[int]:
    """Numbers of ideas by their refs, also where the ledger cannot tell of them."""
    for prefix in (lab.open_prefix, f"refs/heads/{lab.branch('')}"):
        for ref in lab.repository.refs(prefix):
            number = ref.removeprefix(prefix).partition("-")[0]
            if number.isascii() and number.isdecimal() and len(number) <= 10:
                yield int(number)


def read_next(repository: Repository, oid: str | None) -> int:
    """The next number that a blob says; 0 for none and for a damaged one, which is then written anew."""
    if oid is None:
        return 0
    try:
        said = json.loads(repository.read_blob(oid, _LARGEST))["next"]
    except (RepositoryError, ValueError, TypeError, KeyError, RecursionError):
        return 0
    return said if type(said) is int and 1 <= said <= _HIGHEST else 0


class Numbers:
    """Gives out the numbers of a lab's ideas.

    `refs/lab/<lab>/numbers` is at a blob with the next one. Whoever takes a number moves it in a transaction
    that also proves the lab's lease to be as it was seen, and the loser of a race takes the next. A campaign
    takes a few at a time; those that a dead one left over are given out again.

    Args:
        lab: The lab.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._mine: list[int] = []
        self._begun = False

    def take(self) -> int:
        """The next number for the campaign that holds the lab's lease.

        Raises:
            RepositoryError: Others keep taking numbers, or git refuses.
        """
        if not self._mine:
            first = self._claim(lambda number: (), _BLOCK, "campaign" if self._begun else "new campaign")
            self._begun = True
            self._mine = list(range(first, first + _BLOCK))
        return self._mine.pop(0)

    def claim(self, opened: Callable[[int], Sequence[RefChange]]) -> int:
        """Take one number for an idea that is opened in the same transaction.

        Args:
            opened: Makes what moves with it, from the number; may be called several times.

        Raises:
            RepositoryError: Others keep taking numbers, or git refuses.
        """
        return self._claim(opened, 1, "beside")

    def _claim(self, opened: Callable[[int], Sequence[RefChange]], count: int, who: _Who) -> int:
        """Take so many numbers in a row.

        Args:
            opened: Makes what moves with them.
            count: How many.
            who: A campaign at its start, a campaign later, or somebody beside it.
        """
        repository, ref = self._lab.repository, self._lab.numbers_ref
        for _ in range(_TRIES):
            lease = repository.ref(self._lab.lease_ref)
            found = repository.ref(ref)
            first = self._next(found, who)
            after = repository.write_blob(json.dumps({"next": first + count}).encode())
            changes = [
                RefChange(ref, after, found or ""),
                RefChange(self._lab.lease_ref, lease, lease or ""),
                *opened(first),
            ]
            try:
                repository.update_refs(changes)
            except RefConflict:
                time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - it spreads tries
            else:
                return first
        raise RefConflict(f"Others keep taking numbers of ideas ({ref}).", "Run the command again.")

    def _next(self, found: str | None, who: _Who) -> int:
        said = read_next(self._lab.repository, found)
        if who == "campaign" and said:
            return said
        lab = self._lab
        there = 1 + max((lab.ledger.state().next_number - 1, *used_numbers(lab)))
        # What a living campaign has taken and not used yet is known by the ref alone.
        beside = who != "new campaign" and (
            holder(lab.repository, lab.lease_ref) is not None
            or lab.repository.ref(f"{lab.incoming_prefix}lease") is not None
        )
        return max(there, said) if beside else there
