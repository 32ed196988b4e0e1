"""The queue of ideas: what its owner wishes of it, the numbers of ideas, and what is there.

All of it lives in git, so that every verb works from a fresh process, without a server, and survives a crash.
"""

from lab_plugin.queue._adding import STRATEGY, Addition, add_idea
from lab_plugin.queue._numbers import Numbers, read_next, used_numbers
from lab_plugin.queue._overview import Waiting, find_waiting, open_ideas, overview
from lab_plugin.queue._phases import ASKING, Phases
from lab_plugin.queue._store import WishStore
from lab_plugin.queue._watch import WishWatch
from lab_plugin.queue._wishes import MOST_PRIORITY, Wishes

__all__ = [
    "ASKING",
    "MOST_PRIORITY",
    "STRATEGY",
    "Addition",
    "Numbers",
    "Phases",
    "Waiting",
    "WishStore",
    "WishWatch",
    "Wishes",
    "add_idea",
    "find_waiting",
    "open_ideas",
    "overview",
    "read_next",
    "used_numbers",
]
