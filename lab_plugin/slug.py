"""Titles as the last part of a branch name."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 40
_EMPTY = "idea"


def slug(title: str) -> str:
    """Make a title fit for a branch name.

    Args:
        title: Any text.

    Returns:
        1 to 40 characters of `[a-z0-9-]`, beginning and ending with a letter or digit; "idea" when nothing
        of the title can be written so.
    """
    # NFKD takes the accents off letters, so that they survive as ASCII.
    ascii_text = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode("ascii")
    dashed = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")
    return dashed[:_LONGEST].rstrip("-") or _EMPTY
