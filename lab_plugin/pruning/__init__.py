"""Early stopping: the curve that a candidate reports of itself, and runs that are ended for it."""

from lab_plugin.pruning._curve import LARGEST_STEP, MOST_POINTS, Curve, decode, encode
from lab_plugin.pruning._desk import PruningDesk
from lab_plugin.pruning._pruned import DIVERGED, Past, Pruned
from lab_plugin.pruning._reader import CurveReader, Reading
from lab_plugin.pruning._watch import Watched, watch

__all__ = [
    "DIVERGED",
    "LARGEST_STEP",
    "MOST_POINTS",
    "Curve",
    "CurveReader",
    "Past",
    "Pruned",
    "PruningDesk",
    "Reading",
    "Watched",
    "decode",
    "encode",
    "watch",
]
