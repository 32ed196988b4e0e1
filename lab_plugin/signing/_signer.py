"""Making and checking signatures, whatever their form."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from lab_plugin.errors import SigningError
from lab_plugin.signing import _gnupg, _ssh
from lab_plugin.signing._programs import Check
from lab_plugin.signing._settings import Format, SigningSettings, read_settings

_ARMOR: dict[str, Format] = {
    "-----BEGIN SSH SIGNATURE-----": "ssh",
    "-----BEGIN PGP SIGNATURE-----": "openpgp",
    "-----BEGIN PGP MESSAGE-----": "openpgp",
    "-----BEGIN SIGNED MESSAGE-----": "x509",
}


class Signer:
    """Signs with the user's key. Safe for several threads.

    Args:
        settings: Of a user who wants signatures.
    """

    def __init__(self, settings: SigningSettings) -> None:
        self._settings = settings

    def sign(self, data: bytes) -> str:
        """A detached, armored ASCII signature.

        Raises:
            SigningError: There is no key, or the user's program did not sign with it.
        """
        made = _ssh.sign if self._settings.form == "ssh" else _gnupg.sign
        signature = made(self._settings, data)
        if not signature.isascii() or form_of(signature) is None:
            raise SigningError("The signing program did not answer with an armored signature.")
        return signature


class Verifier:
    """Checks signatures of any form against whom the user's git believes.

    Args:
        settings: The user's.
    """

    def __init__(self, settings: SigningSettings) -> None:
        self._settings = settings
        self._ssh = _ssh.Checker(settings)

    def check(self, data: bytes, signature: str, when: datetime | None = None) -> Check:
        """Check a signature; where the program is missing it stays unchecked.

        Args:
            data: What was signed.
            signature: Armored.
            when: When it was made, for keys that are allowed for a time; None for now.
        """
        form = form_of(signature)
        if form is None:
            return Check("bad", why="it has no form that is known")
        try:
            if form == "ssh":
                return self._ssh.check(data, signature, when)
            return _gnupg.check(self._settings, self._settings.programs[form], data, signature)
        except SigningError as error:
            return Check("unchecked", why=error.message)


def open_signer(folder: Path) -> Signer | None:
    """The user's signer; None when their git is not to sign commits.

    Args:
        folder: The top of the working tree.

    Raises:
        SigningError: The configuration of git has a value that git does not know.
    """
    settings = read_settings(folder)
    return Signer(settings) if settings.wanted else None


def form_of(signature: str) -> Format | None:
    """The form of an armored signature."""
    return _ARMOR.get(signature.partition("\n")[0].strip())
