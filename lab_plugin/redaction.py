"""Secrets out of whatever is shown or kept: logs, reports, patches, reasons, prompts and records."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MARK = "[redacted]"

_TELLING = re.compile(
    r"(?:^|_)(?:api_?key|access_?key|private_?key|secret|token|passw(?:or)?d|passphrase|credentials?|auth"
    r"|connection_url|dsn|webhook)(?:_|$)|(?:key|token|secret|password)$",
    re.IGNORECASE,
)
# Shorter values are words that stand in many a log: `true`, `none`, `basic`.
_SHORTEST = 8
# Forms that the issuers document, and what RFC 7519, RFC 7468 and RFC 3986 call a token, a key and userinfo;
# each with texts of which it holds one.
_FORMS = (
    (("sk-",), r"(?<![\w-])sk-[A-Za-z0-9_-]{20,}"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
    (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),
    (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (("AIza",), r"\bAIza[A-Za-z0-9_-]{35}"),
    (("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),
    (("pypi-",), r"\bpypi-[A-Za-z0-9_-]{50,}"),
    (("eyJ",), r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    (
        ("-----BEGIN ",),
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?:\r?\n|\\n)[A-Za-z0-9+/=]{0,80}(?!-))*"
        r"(?:(?:\r?\n|\\n)-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
    ),
    (("://",), r"(?<=://)[^\s/@:]{1,200}:[^\s/@]{1,500}(?=@)"),
)


class Redactor:
    """Replaces secrets by `[redacted]`.

    What counts as secret: the value, of at least 8 characters, of every environment variable whose name
    tells so (`..._KEY`, `..._TOKEN`, `..._PASSWORD` and the like) or is given; and what has the form of a
    well-known token, a private key, or a user with password in a URL. A value is also found URL-quoted and
    in base64.

    Args:
        environment: The lab's own environment.
        names: Further variables whose values are secret, of any length above 0.
        told: Further secrets themselves, of any length above 0.
    """

    def __init__(
        self, environment: Mapping[str, str], names: Iterable[str] = (), told: Iterable[str] = ()
    ) -> None:
        given = set(names)
        values = {
            value
            for name, value in environment.items()
            if (name in given and value) or (len(value) >= _SHORTEST and _TELLING.search(name))
        }
        values.update(filter(None, told))
        written = {form for value in values for form in _spellings(value)}
        # The longest first: a secret may begin with another one.
        self._written = sorted(written, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without its secrets."""
        # Looking for plain texts first is a hundred times quicker than all patterns at every character.
        found = [re.escape(value) for value in self._written if value in text]
        found += [form for signs, form in _FORMS if any(sign in text for sign in signs)]
        return re.sub("|".join(found), MARK, text) if found else text

    def data(self, data: bytes) -> bytes:
        """The same for bytes of a text file; bytes that are no UTF-8 stay as they are."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _spellings(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogateescape")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {value, quote(raw, safe=""), *(form.rstrip("=") for form in encoded)}
