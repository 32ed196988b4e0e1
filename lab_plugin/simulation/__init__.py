"""Campaigns in virtual time: what another strategy, tier plan or number of slots would do to a history."""

from lab_plugin.simulation._campaign import Best, Result
from lab_plugin.simulation._engine import Costs, Trace, Trial, Work, run
from lab_plugin.simulation._history import read_history
from lab_plugin.simulation._past import History, PastIdea, PastPoint
from lab_plugin.simulation._plan import Plan, read_plan
from lab_plugin.simulation._report import best_at, document, notes, saturation
from lab_plugin.simulation._screening import Screen
from lab_plugin.simulation._simulate import (
    MOST_IDEAS,
    ORCHESTRATION,
    SERIAL_SHARE,
    Outcome,
    Scenario,
    Simulation,
    costs_of,
    simulate,
)
from lab_plugin.simulation._synthetic import SPACE, Synthetic

__all__ = [
    "Best",
    "Costs",
    "History",
    "MOST_IDEAS",
    "ORCHESTRATION",
    "Outcome",
    "PastIdea",
    "PastPoint",
    "Plan",
    "Result",
    "SERIAL_SHARE",
    "SPACE",
    "Scenario",
    "Screen",
    "Simulation",
    "Synthetic",
    "Trace",
    "Trial",
    "Work",
    "best_at",
    "costs_of",
    "document",
    "notes",
    "read_history",
    "read_plan",
    "run",
    "saturation",
    "simulate",
]
