"""The mirror of the ledger in MLflow: where people compare.

The ledger is the truth. What stands in MLflow can be deleted at any time and is written again by `lab sync`;
trouble with MLflow never fails or delays an iteration.
"""

from lab_plugin.tracking._contract import Artifacts, Entry, LedgerReader, Links, Progress, SyncReport, Written
from lab_plugin.tracking._environment import SETTINGS, quiet
from lab_plugin.tracking._experiment import connect
from lab_plugin.tracking._lookup import leaderboard_url, mirrored_up_to
from lab_plugin.tracking._mirror import Mirror
from lab_plugin.tracking._served import note_server, noted_server, served_at
from lab_plugin.tracking._store import Store

__all__ = [
    "Artifacts",
    "Entry",
    "LedgerReader",
    "Links",
    "Mirror",
    "Progress",
    "SETTINGS",
    "Store",
    "SyncReport",
    "Written",
    "connect",
    "leaderboard_url",
    "note_server",
    "noted_server",
    "served_at",
    "mirrored_up_to",
    "quiet",
]
