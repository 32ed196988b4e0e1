"""What a lab did in a day or a week, for people who do not watch it."""

from lab_plugin.digest._digest import DAYS, Digest, Period, make_digest
from lab_plugin.digest._text import digest_text

__all__ = [
    "DAYS",
    "Digest",
    "Period",
    "digest_text",
    "make_digest",
]
