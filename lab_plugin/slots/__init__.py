"""The machine's cores and cards, shared out to the runs of a campaign."""

from lab_plugin.slots._capacity import Capacity, Need, Needs, capacity_of, needs_of, require_room
from lab_plugin.slots._cards import find_cards
from lab_plugin.slots._open import open_slots, own_slots
from lab_plugin.slots._sandbox import SlottedSandbox
from lab_plugin.slots._slots import OVERTAKEN, Gate, Slots

__all__ = [
    "OVERTAKEN",
    "Capacity",
    "Gate",
    "Need",
    "Needs",
    "Slots",
    "SlottedSandbox",
    "capacity_of",
    "find_cards",
    "needs_of",
    "open_slots",
    "own_slots",
    "require_room",
]
