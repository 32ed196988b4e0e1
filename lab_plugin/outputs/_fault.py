"""What an output did wrong."""

from __future__ import annotations

_SHOWN = 60


class OutputFault(ValueError):
    """An output is not what its schema says; the text names the rule."""


def shown(text: str) -> str:
    """A short piece of a candidate's text, quoted and in one printable line."""
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
