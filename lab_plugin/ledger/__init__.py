"""The append-only list of verdicts, and what follows from it."""

from lab_plugin.ledger._chain import Entry, Problem
from lab_plugin.ledger._ledger import Ledger
from lab_plugin.ledger._records import CampaignRecord, Goal, LockRecord, Point, Record, VerdictRecord, Word
from lab_plugin.ledger._state import Champion, Ideas, OpenCampaign, State

__all__ = [
    "CampaignRecord",
    "Champion",
    "Entry",
    "Goal",
    "Ideas",
    "Ledger",
    "LockRecord",
    "OpenCampaign",
    "Point",
    "Problem",
    "Record",
    "State",
    "VerdictRecord",
    "Word",
]
