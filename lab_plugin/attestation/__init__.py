"""Portable statements of what an idea scored: written, signed, read as hostile bytes, and checked."""

from lab_plugin.attestation._build import attest, statement_of
from lab_plugin.attestation._check import AttestationCheck, Mismatch, check_attestation
from lab_plugin.attestation._envelope import Attestation, parse_attestation, read_attestation
from lab_plugin.attestation._statement import PREDICATE, STATEMENT, Statement

__all__ = [
    "PREDICATE",
    "STATEMENT",
    "Attestation",
    "AttestationCheck",
    "Mismatch",
    "Statement",
    "attest",
    "check_attestation",
    "parse_attestation",
    "read_attestation",
    "statement_of",
]
