"""Signatures of SSH keys, made and checked by ssh-keygen."""

from __future__ import annotations

import base64
import binascii
import os
import struct
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab_plugin.errors import SigningError
from lab_plugin.signing._programs import Answer, Check, ask
from lab_plugin.signing._settings import SigningSettings

NAMESPACE = "git"
"""The one that allowed signers are often limited to. What is signed says by its first bytes what it is."""

_LITERAL = ("key::", "ssh-", "ecdsa-", "sk-")
_MAGIC = b"SSHSIG"
_OWN = "your-own-key"


def sign(settings: SigningSettings, data: bytes) -> str:
    """A detached, armored signature.

    Raises:
        SigningError: The program did not make one.
    """
    key = settings.key or _default_key(settings)
    program = settings.programs["ssh"]
    with tempfile.TemporaryDirectory(prefix="lab-sign-") as folder:
        message = Path(folder, "message")
        message.write_bytes(data)
        # A public key by its text: the private one is with the agent.
        literal = key.startswith(_LITERAL)
        file = Path(folder, "key.pub") if literal else Path(os.path.expanduser(key))
        if literal:
            file.write_text(key.removeprefix("key::") + "\n")
        command = [program, "-Y", "sign", "-n", NAMESPACE, "-f", str(file), *(["-U"] if literal else [])]
        answer = ask([*command, str(message)])
        made = Path(folder, "message.sig")
        if answer.status != 0 or not made.is_file():
            raise SigningError(
                f"{program} did not sign with the key {key!r}: {answer.words}.",
                "Look at `git config user.signingKey`, and whether `ssh-add -l` has the key.",
            )
        return made.read_text("ascii", "replace")


@dataclass
class Checker:
    """Checks signatures against the allowed signers, else against the user's own key.

    Args:
        settings: The user's.
    """

    settings: SigningSettings
    _names: dict[bytes, str] = field(default_factory=dict)

    def check(self, data: bytes, signature: str, when: datetime | None) -> Check:
        """Check one signature.

        Args:
            data: What was signed.
            signature: Armored.
            when: The moment at which the key must have been allowed; None for now.

        Raises:
            SigningError: The program cannot be run.
        """
        try:
            key = _key_of(signature)
        except ValueError:
            return Check("bad", why="it is no SSH signature")
        with tempfile.TemporaryDirectory(prefix="lab-check-") as folder:
            file = Path(folder, "message.sig")
            file.write_text(signature)
            allowed = self._allowed(Path(folder, "allowed"))
            if allowed is None:
                why = "git has no gpg.ssh.allowedSignersFile, which says whose keys count"
                return Check("unchecked", why=why)
            return self._check(data, key, file, allowed, when or datetime.now(UTC))

    def _check(self, data: bytes, key: bytes, file: Path, allowed: Path, when: datetime) -> Check:
        moment = f"-Overify-time={when.astimezone(UTC):%Y%m%d%H%M%S}"
        remembered = self._names.get(key)
        if remembered is not None and self._holds(data, file, allowed, remembered, moment).status == 0:
            return Check("good", remembered)
        program = self.settings.programs["ssh"]
        found = ask([program, "-Y", "find-principals", "-f", str(allowed), "-s", str(file), moment])
        names = [line for line in found.stdout.splitlines() if line] if found.status == 0 else []
        for name in names:
            if self._holds(data, file, allowed, name, moment).status == 0:
                self._names[key] = name
                return Check("good", name)
        plain = ask([program, "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(file)], data)
        if plain.status != 0:
            return Check("bad", why="it is not a signature of these bytes")
        who = plain.stdout.rpartition("with ")[2].strip() or "a key"
        return Check("untrusted", who, f"{who} is not among the allowed signers")

    def _holds(self, data: bytes, file: Path, allowed: Path, name: str, moment: str) -> Answer:
        revoked = self.settings.revoked
        command = [self.settings.programs["ssh"], "-Y", "verify", "-n", NAMESPACE, "-f", str(allowed)]
        command += ["-I", name, "-s", str(file), moment]
        return ask([*command, *(["-r", str(revoked)] if revoked and revoked.is_file() else [])], data)

    def _allowed(self, own: Path) -> Path | None:
        if self.settings.allowed_signers is not None:
            return self.settings.allowed_signers if self.settings.allowed_signers.is_file() else None
        public = _public_key(self.settings)
        if not public:
            return None
        own.write_text(f"{_OWN} {public}\n")
        return own


def _key_of(signature: str) -> bytes:
    """The public key inside an armored signature.

    Raises:
        ValueError: It is none.
    """
    lines = signature.strip().splitlines()
    if lines[:1] != ["-----BEGIN SSH SIGNATURE-----"] or lines[-1] != "-----END SSH SIGNATURE-----":
        raise ValueError("no armor")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        version, size = struct.unpack_from(">II", blob, len(_MAGIC))
    except (binascii.Error, struct.error) as error:
        raise ValueError("no signature") from error
    start = len(_MAGIC) + 8
    if not blob.startswith(_MAGIC) or version != 1 or start + size > len(blob):
        raise ValueError("no signature")
    return blob[start : start + size]


def _public_key(settings: SigningSettings) -> str:
    """The user's own public key as `ssh-... BASE64`; "" where it cannot be told."""
    if settings.form != "ssh" or not settings.key:
        return ""
    text = settings.key.removeprefix("key::")
    if not settings.key.startswith(_LITERAL):
        path = os.path.expanduser(settings.key)
        try:
            text = Path(path if path.endswith(".pub") else f"{path}.pub").read_text("ascii")
        except (OSError, ValueError):
            return ""
    words = text.split()
    return " ".join(words[:2]) if len(words) >= 2 else ""


def _default_key(settings: SigningSettings) -> str:
    if settings.key_command:
        answer = ask(["/bin/sh", "-c", settings.key_command])
        line = answer.stdout.partition("\n")[0].strip()
        if answer.status == 0 and line.startswith(_LITERAL):
            return line
    raise SigningError(
        "git is to sign commits with an SSH key (commit.gpgSign, gpg.format), and no key is named.",
        "Run `git config --global user.signingKey ~/.ssh/id_ed25519.pub`, or what the path of your key is.",
    )
