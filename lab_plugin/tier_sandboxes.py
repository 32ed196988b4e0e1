"""The sandboxes of the tiers before the last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lab_plugin.lab import Lab
from lab_plugin.sandbox import Sandbox


@asynccontextmanager
async def tier_sandboxes(
    lab: Lab, sandbox: Sandbox, *, pooled: bool = True
) -> AsyncIterator[dict[str, Sandbox]]:
    """The sandbox of each tier before the last; one that differs from the lab's is opened and probed.

    Args:
        lab: The lab.
        sandbox: That of the last tier.
        pooled: Also of tiers that have a pool, whose workers have sandboxes of their own.

    Raises:
        SandboxUnavailable: One cannot be had on this machine.
        SandboxError: One does not hold what its tier demands.
    """
    async with AsyncExitStack() as stack:
        opened = {lab.place: sandbox}
        found: dict[str, Sandbox] = {}
        for tier in lab.config.screening:
            if tier.pool and not pooled:
                continue
            here = lab.at(tier.name)
            if here.place not in opened:
                opened[here.place] = here.sandbox()
                stack.push_async_callback(opened[here.place].close)
                await opened[here.place].probe()
            found[tier.name] = opened[here.place]
        yield found
