"""One lab in many clones: ledger, branches, queue and lease are the same through a git remote.

With `[lab] remote`, what writes takes in what the remote has first, by fast-forward alone; verdicts are
written by the holder of a lease at the remote, and published soon after they are written. Without it nothing
here does anything, and nothing reaches a network.
"""

from lab_plugin.sharing._held import Held, held
from lab_plugin.sharing._standing import Standing, require_ledger, standing
from lab_plugin.sharing._sync import Beside, Synced, beside, probe, sync, take_in

__all__ = [
    "Beside",
    "Held",
    "Standing",
    "Synced",
    "beside",
    "held",
    "probe",
    "require_ledger",
    "standing",
    "sync",
    "take_in",
]
