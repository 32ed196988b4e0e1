"""An access token for one host, handed to git for one call: in no file, no address and no command line."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from lab_plugin.errors import RemoteError

_VARIABLE = "LAB_GIT_AUTHORIZATION"
# Hosts take a token as the password of any user, but for this one.
_USERS = {"bitbucket.org": "x-token-auth"}
_USER = "oauth2"


@dataclass(frozen=True)
class AccessToken:
    """Lets git in where an address leads, and is shown to no other host.

    Attributes:
        address: Of a repository, by HTTP.
        value: The token.
        remedy: What to do where it does not let git in.
    """

    remedy: ClassVar[str] = "See that the access token is right, and lets the repository be read."

    address: str
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        if urlsplit(self.address).scheme not in ("http", "https"):
            raise RemoteError(
                "An access token is of use with an https:// address alone.",
                "Remove the token, or give the repository's https:// address.",
            )
        if not (self.value.isascii() and self.value.isprintable()):
            raise RemoteError("The access token has characters that no token has.", "Enter it again.")

    @property
    def flags(self) -> tuple[str, ...]:
        """Of every git that uses it."""
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        return (f"--config-env=http.{parts.scheme}://{host}/.extraHeader={_VARIABLE}",)

    @property
    def environment(self) -> dict[str, str]:
        """What such a git needs in its environment."""
        user = _USERS.get(urlsplit(self.address).hostname or "", _USER)
        pair = base64.b64encode(f"{user}:{self.value}".encode()).decode()
        return {_VARIABLE: f"Authorization: Basic {pair}"}
