"""What a campaign works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab_plugin.campaign._control import Control
from lab_plugin.campaign._fleet import Fleet
from lab_plugin.lock_in_force import LockInForce
from lab_plugin.proposers import Proposer
from lab_plugin.repository import Lease
from lab_plugin.sandbox import Sandbox
from lab_plugin.slots import Slots


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a campaign works with.

    Attributes:
        sandboxes: Of the tiers before the last by name, and of the last one under "".
        lease: Held.
        locked: The lock in force since then.
        proposer: Makes ideas; told of the history.
        slots: The machine's cores and cards.
        control: Ends and holds back what the owner wishes.
        fleet: What runs the tiers that have a pool; None where none has.
    """

    sandboxes: Mapping[str, Sandbox]
    lease: Lease
    locked: LockInForce
    proposer: Proposer
    slots: Slots
    control: Control
    fleet: Fleet | None = None
