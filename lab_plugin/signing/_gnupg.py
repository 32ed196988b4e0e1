"""Signatures of OpenPGP and X.509, made and checked by gpg and gpgsm."""

from __future__ import annotations

import re
import tempfile

from lab_plugin.errors import SigningError
from lab_plugin.signing._programs import Check, ask
from lab_plugin.signing._settings import SigningSettings, enough

_STATUS = re.compile(r"^\[GNUPG:\] (\w+) ?(.*)$", re.MULTILINE)
_OUTCOMES = {
    "GOODSIG": "",
    "BADSIG": "it is not a signature of these bytes",
    "ERRSIG": "",
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key has expired",
    "REVKEYSIG": "the key was revoked",
}


def sign(settings: SigningSettings, data: bytes) -> str:
    """A detached, armored signature.

    Raises:
        SigningError: The program did not make one.
    """
    key = settings.key or settings.identity
    if not key:
        raise SigningError(
            "git is to sign commits (commit.gpgSign), and no key is named.",
            "Run `git config --global user.signingKey KEY`.",
        )
    program = settings.programs[settings.form]
    answer = ask([program, "--status-fd=2", "-bsau", key], data)
    if answer.status != 0 or "[GNUPG:] SIG_CREATED " not in answer.stderr:
        words = "; ".join(line for line in answer.stderr.splitlines() if not line.startswith("[GNUPG:]"))
        raise SigningError(
            f"{program} did not sign with the key {key!r}: {words[:500] or 'it does not say why'}.",
            "Look at `git config user.signingKey`, and whether the agent has the passphrase.",
        )
    return answer.stdout


def check(settings: SigningSettings, program: str, data: bytes, signature: str) -> Check:
    """Check a signature against the user's keys.

    Raises:
        SigningError: The program cannot be run.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        command = [program, "--keyid-format=long", "--status-fd=1", "--verify", file.name, "-"]
        lines = _STATUS.findall(ask(command, data).stdout)
    found = [(word, rest) for word, rest in lines if word in _OUTCOMES]
    if len(found) != 1:
        return Check("bad", why="it is not exactly one signature that the program understands")
    word, rest = found[0]
    key, _, name = rest.partition(" ")
    if word == "ERRSIG":
        return Check("unchecked", key, f"the public key {key} is not among yours")
    if _OUTCOMES[word]:
        return Check("bad" if word == "BADSIG" else "untrusted", name or key, _OUTCOMES[word])
    levels = [word.removeprefix("TRUST_").lower() for word, _ in lines if word.startswith("TRUST_")]
    trust = levels[-1] if levels else "undefined"
    if not enough(trust, settings.least_trust):
        return Check("untrusted", name, f"the key {key} has the trust {trust}")
    return Check("good", name or key)
