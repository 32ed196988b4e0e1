"""One spelling for each host name, and no spelling for an address."""

from __future__ import annotations

import re

import idna

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What C libraries and browsers read as IPv4 when it is the last label: 127.1, 2130706433, 0x7f.1, 0177.1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_NAME = 253
_MAX_TEXT = 1024


class BadHost(ValueError):
    """Not a host name; the message says why, without the text itself."""


class AddressLiteral(BadHost):
    """An address instead of a name."""


def canonical_host(text: str) -> str:
    """The one spelling of a host name: lower case, A-labels, no trailing dot.

    Raises:
        AddressLiteral: It is an IP address in any notation.
        BadHost: It is no host name at all.
    """
    if not 0 < len(text) <= _MAX_TEXT:
        raise BadHost("is empty" if not text else "is too long")
    if ":" in text or text.startswith("["):
        raise AddressLiteral("is an IP address, not a name")
    host = (text if text.isascii() else _to_ascii(text)).lower().removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise AddressLiteral("is an IP address, not a name")
    if len(host) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadHost("is not a host name")
    return host


def _to_ascii(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadHost("is not a host name that IDNA can encode") from error
