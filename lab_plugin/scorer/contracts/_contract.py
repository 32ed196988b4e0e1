"""What a scorer's contract is: how a candidate is run, and how what it does becomes a score."""

from __future__ import annotations

from typing import Protocol

from lab_plugin.sandbox import Execution
from lab_plugin.scorer._trial import Score, Trial


class Contract(Protocol):
    """Runs the two programs of a trial in sandboxes of their own.

    Whatever the programs do is told by the values that are returned. When a method returns or raises, no
    process that it started is alive. The scorer's files are never in a candidate's reach; what further holds
    is named in `Score.guarantees`.
    """

    async def execute(self, trial: Trial) -> Execution:
        """Run the candidate to its verified end.

        Raises:
            SandboxUnavailable: The sandbox broke; the trial may be run again in an empty folder.
            SandboxError: It did not hold what the lab demands.
        """

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """Score what the candidate did.

        Args:
            trial: The same as `execute` had.
            execution: What `execute` returned.

        Raises:
            SandboxUnavailable: The sandbox broke; may be tried again.
            SandboxError: It did not hold what the lab demands.
        """

    async def collect(self, trial: Trial) -> tuple[str, ...]:
        """The ids of the tests that a score is made of, found without any candidate; () where there are none.

        Args:
            trial: Only its folder and name matter.

        Raises:
            LockError: They cannot be collected.
            SandboxUnavailable: The sandbox broke; may be tried again.
        """
