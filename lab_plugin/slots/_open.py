"""From a lab's configuration to the allocator of its campaign."""

from __future__ import annotations

from lab_plugin.config import Config
from lab_plugin.slots._capacity import capacity_of, require_room
from lab_plugin.slots._slots import Gate, Slots


def open_slots(config: Config, jobs: int = 1, gate: Gate | None = None) -> Slots:
    """The allocator for a lab on this machine.

    Args:
        config: The lab's.
        jobs: Iterations in parallel.
        gate: Where a program's run asks before it starts.

    Raises:
        ConfigError: A program needs more cores or cards than there are.
    """
    # Cards are looked for where a tier wants some.
    wanting = max((tier.config for tier in config.tiers), key=lambda each: each.candidate.gpus)
    capacity = capacity_of(wanting, jobs)
    for tier in config.tiers:
        require_room(tier.config, capacity)
    return Slots(capacity, gate)
