"""What the user's git configuration says of signing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lab_plugin.errors import SigningError
from lab_plugin.repository import user_settings

Format = Literal["openpgp", "x509", "ssh"]

_FORMATS: tuple[Format, ...] = ("openpgp", "x509", "ssh")
_PROGRAMS: dict[Format, str] = {"openpgp": "gpg", "x509": "gpgsm", "ssh": "ssh-keygen"}
_PATTERN = r"^(gpg\..*|user\.(name|email|signingkey)|commit\.gpgsign)$"
_TRUST = ("undefined", "never", "marginal", "fully", "ultimate")


@dataclass(frozen=True)
class SigningSettings:
    """How the user signs and whom they believe.

    Attributes:
        wanted: `commit.gpgSign`: commits are to be signed.
        form: `gpg.format`: of the signatures that are made.
        key: `user.signingKey`; "" for none.
        identity: `user.name <user.email>`, which names the key where `key` does not; "" for none.
        programs: Format -> program.
        key_command: `gpg.ssh.defaultKeyCommand`; "" for none.
        allowed_signers: `gpg.ssh.allowedSignersFile`; None for none.
        revoked: `gpg.ssh.revocationFile`; None for none.
        least_trust: `gpg.minTrustLevel`, one of git's words.
    """

    wanted: bool = False
    form: Format = "openpgp"
    key: str = ""
    identity: str = ""
    programs: Mapping[Format, str] = field(default_factory=lambda: dict(_PROGRAMS))
    key_command: str = ""
    allowed_signers: Path | None = None
    revoked: Path | None = None
    least_trust: str = "undefined"


def read_settings(folder: Path) -> SigningSettings:
    """Read the settings as git would for a commit of the user.

    Args:
        folder: The top of the working tree; any folder outside of a repository.

    Raises:
        SigningError: A value is none that git knows.
    """
    values = user_settings(folder, _PATTERN)
    name, email = values.get("user.name") or "", values.get("user.email") or ""
    return SigningSettings(
        wanted=_truth(values.get("commit.gpgsign", "false")),
        form=_form(values.get("gpg.format") or "openpgp"),
        key=values.get("user.signingkey") or "",
        identity=f"{name} <{email}>" if email else "",
        programs={form: _program(values, form) for form in _FORMATS},
        key_command=values.get("gpg.ssh.defaultkeycommand") or "",
        allowed_signers=_path(folder, values.get("gpg.ssh.allowedsignersfile")),
        revoked=_path(folder, values.get("gpg.ssh.revocationfile")),
        least_trust=_trust(values.get("gpg.mintrustlevel") or "undefined"),
    )


def enough(trust: str, least: str) -> bool:
    """Whether a key's trust, in git's words, is what is asked for; `never` never is."""
    return trust != "never" and _TRUST.index(trust) >= _TRUST.index(least)


def _program(values: Mapping[str, str | None], form: Format) -> str:
    given = values.get(f"gpg.{form}.program")
    if not given and form == "openpgp":
        given = values.get("gpg.program")
    return os.path.expanduser(given) if given else _PROGRAMS[form]


def _form(text: str) -> Format:
    for form in _FORMATS:
        if text == form:
            return form
    raise SigningError(f"git is configured with gpg.format {text!r}.", f"Set it to one of {list(_FORMATS)}.")


def _trust(text: str) -> str:
    if text.lower() not in _TRUST:
        remedy = f"Set it to one of {list(_TRUST)}."
        raise SigningError(f"git is configured with gpg.minTrustLevel {text!r}.", remedy)
    return text.lower()


def _path(folder: Path, text: str | None) -> Path | None:
    """A path of git's configuration; relative ones begin at the top of the working tree."""
    return folder / os.path.expanduser(text) if text else None


def _truth(text: str | None) -> bool:
    """A boolean as git writes it; a key without a value is true."""
    if text is None or text.lower() in ("true", "yes", "on"):
        return True
    if text.lower() in ("", "false", "no", "off"):
        return False
    try:
        return int(text) != 0
    except ValueError:
        remedy = "Set it to true or false."
        raise SigningError(f"git is configured with commit.gpgSign {text!r}.", remedy) from None
