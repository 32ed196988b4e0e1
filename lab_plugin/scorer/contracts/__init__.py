"""The contracts between a scorer and the candidates that it scores."""

from lab_plugin.scorer.contracts._contract import Contract
from lab_plugin.scorer.contracts._open import open_contract
from lab_plugin.scorer.contracts._programs import CANDIDATE, Programs

__all__ = ["CANDIDATE", "Contract", "Programs", "open_contract"]
