"""The hold-out: a sealed scoring of what is about to be kept, counted, and told to nobody who makes ideas."""

from lab_plugin.holdout._desk import HoldoutDesk, UntilStopped
from lab_plugin.holdout._guard import judge
from lab_plugin.holdout._looks import Looks
from lab_plugin.holdout._overlap import find_overlaps
from lab_plugin.holdout._scoring import (
    HoldoutScore,
    holdout_runner,
    score_holdout,
    store_holdout,
)

__all__ = [
    "HoldoutDesk",
    "HoldoutScore",
    "Looks",
    "UntilStopped",
    "find_overlaps",
    "holdout_runner",
    "judge",
    "score_holdout",
    "store_holdout",
]
