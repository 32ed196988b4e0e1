"""The append-only list of verdicts, and what follows from it."""

from lab_plugin.ledger._branches import fetch_command
from lab_plugin.ledger._chain import Entry, Problem
from lab_plugin.ledger._codec import canonical, line_of
from lab_plugin.ledger._ledger import Ledger
from lab_plugin.ledger._records import (
    CampaignRecord,
    Comparison,
    ConfirmationRecord,
    Drift,
    Goal,
    Holdout,
    ImportRecord,
    LockRecord,
    Noise,
    Point,
    Pruned,
    Record,
    TierRecord,
    TierScore,
    VerdictRecord,
    Word,
)
from lab_plugin.ledger._signatures import SignatureProof
from lab_plugin.ledger._state import Champion, Ideas, OpenCampaign, State
from lab_plugin.ledger._verify import Place, Proof

__all__ = [
    "CampaignRecord",
    "Champion",
    "Comparison",
    "ConfirmationRecord",
    "Drift",
    "Entry",
    "Goal",
    "Holdout",
    "Ideas",
    "ImportRecord",
    "Ledger",
    "LockRecord",
    "Noise",
    "OpenCampaign",
    "Place",
    "Point",
    "Problem",
    "Proof",
    "Pruned",
    "Record",
    "SignatureProof",
    "State",
    "TierRecord",
    "TierScore",
    "VerdictRecord",
    "Word",
    "canonical",
    "fetch_command",
    "line_of",
]
