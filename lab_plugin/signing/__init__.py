"""Signatures by the user's own key, as git is configured to make and to check them."""

from lab_plugin.signing._programs import Check
from lab_plugin.signing._settings import SigningSettings, read_settings
from lab_plugin.signing._signer import Signer, Verifier, open_signer

__all__ = ["Check", "Signer", "SigningSettings", "Verifier", "open_signer", "read_settings"]
