"""One rule that does not hold."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """One rule that does not hold.

    Attributes:
        what: Which, in words.
        expected: What would be right.
        found: What is there.
    """

    what: str
    expected: str = ""
    found: str = ""
