"""Counting the looks at a hold-out, so that no crash loses one.

A look is noted under a ref before it is taken, and the note goes away in the transaction of the verdict that
tells of it. Killed in between, the note stays and counts; taking the idea up again finds it and counts no
second one.
"""

from __future__ import annotations

from lab_plugin.lab import Lab
from lab_plugin.repository import Lease, RefChange


class Looks:
    """The looks of one lab in its current epoch.

    Args:
        lab: The lab.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def spent(self) -> int:
        """How many ideas of this epoch were looked at, those on their way to a verdict included."""
        return self._lab.ledger.state().looks + len(self._open())

    def left(self) -> int | None:
        """How many more may be; None for no limit."""
        holdout = self._lab.config.scorer.holdout
        if holdout is None or holdout.looks is None:
            return None
        return max(0, holdout.looks - self.spent())

    def take(self, lease: Lease, number: int, commit: str) -> bool:
        """Note a look at an idea, before it is taken; False when none is left.

        Raises:
            RefConflict: The lease was lost.
        """
        ref = self.ref(number)
        if self._lab.repository.ref(ref) is not None:
            return True
        if self.left() == 0:
            return False
        self._lab.repository.update_refs([lease.fence(), RefChange(ref, commit, "")])
        return True

    def settle(self, number: int) -> list[RefChange]:
        """What ends the note of an idea, for the transaction of its verdict."""
        ref = self.ref(number)
        noted = self._lab.repository.ref(ref)
        return [] if noted is None else [RefChange(ref, None, noted)]

    def ref(self, number: int) -> str:
        """Where a look at an idea is noted."""
        return f"{self._prefix()}{number:04d}"

    def _open(self) -> list[int]:
        ideas = self._lab.ledger.state().ideas
        names = [ref.removeprefix(self._prefix()) for ref in self._lab.repository.refs(self._prefix())]
        return [int(name) for name in names if name.isdecimal() and int(name) not in ideas]

    def _prefix(self) -> str:
        lock = self._lab.ledger.state().lock
        return f"refs/lab/{self._lab.name}/looks/{lock.epoch if lock else 0}/"
