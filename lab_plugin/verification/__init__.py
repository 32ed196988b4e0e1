"""`lab verify`: is the ledger whole, is an idea what it says, and does it score again what it scored?"""

from lab_plugin.verification._compare import Rerun
from lab_plugin.verification._ledger import LabProof, prove_lab, require_proof, verify_ledger
from lab_plugin.verification._rerun import verify_idea
from lab_plugin.verification._sealed import SealedRerun

__all__ = [
    "LabProof",
    "Rerun",
    "SealedRerun",
    "prove_lab",
    "require_proof",
    "verify_idea",
    "verify_ledger",
]
