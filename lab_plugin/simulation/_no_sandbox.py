"""A proposer may be given a sandbox; in a simulation nothing runs."""

from __future__ import annotations

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox import Execution, Job, Sandbox


class NoSandbox(Sandbox):
    """Refuses to run anything."""

    kind = "none"
    guarantees = frozenset[str]()

    async def probe(self) -> None:
        """Nothing is there."""

    async def run(self, job: Job) -> Execution:
        """Refuse.

        Raises:
            SandboxError: Always.
        """
        raise SandboxError(
            "A simulation runs no program, and this strategy does.", "Name another with --strategy."
        )

    async def close(self) -> None:
        """Nothing was made."""
