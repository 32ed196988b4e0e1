"""From a lab's configuration to the allocator of its campaign."""

from __future__ import annotations

from lab_plugin.config import Config
from lab_plugin.slots._capacity import Capacity, capacity_of, require_room
from lab_plugin.slots._slots import Gate, Slots


def own_slots(config: Config) -> Slots:
    """The allocator for the programs of one tier alone, on this machine.

    Args:
        config: The lab's, at the tier.

    Raises:
        ConfigError: A program needs more cores or cards than there are.
    """
    capacity = capacity_of(config)
    require_room(config, capacity)
    return Slots(capacity)


def open_slots(config: Config, jobs: int = 1, gate: Gate | None = None) -> Slots:
    """The allocator for a lab on this machine.

    Args:
        config: The lab's.
        jobs: Iterations in parallel.
        gate: Where a program's run asks before it starts.

    Raises:
        ConfigError: A program needs more cores or cards than there are.
    """
    # What workers run takes nothing of this machine.
    here = [tier.config for tier in config.tiers if not tier.pool]
    # Cards are looked for where a tier wants some.
    wanting = max(here, key=lambda each: each.candidate.gpus, default=None)
    capacity = capacity_of(wanting, jobs) if wanting else Capacity(float(jobs))
    for each in here:
        require_room(each, capacity)
    return Slots(capacity, gate)
