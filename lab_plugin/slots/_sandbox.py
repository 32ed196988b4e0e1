"""A sandbox whose programs wait for their cores."""

from __future__ import annotations

from lab_plugin.sandbox import Execution, Job, Sandbox
from lab_plugin.slots._capacity import Need
from lab_plugin.slots._slots import Slots


class SlottedSandbox(Sandbox):
    """Another sandbox, whose programs take their cores as the runs of trials do.

    Args:
        inner: Where the programs run; it stays the caller's to close.
        slots: Whose cores they take.
    """

    def __init__(self, inner: Sandbox, slots: Slots) -> None:
        self._inner = inner
        self._slots = slots
        self.kind = inner.kind
        self.guarantees = inner.guarantees

    async def probe(self) -> None:
        """See `Sandbox.probe`."""
        await self._inner.probe()
        self.guarantees = self._inner.guarantees

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`; waits until the cores of the job's limits are free.

        Raises:
            LabError: There are not so many cores at all.
        """
        async with self._slots.taken(Need(job.limits.cpus)):
            return await self._inner.run(job)

    async def close(self) -> None:
        """Nothing: the inner sandbox is not this one's."""
