"""Values as cells of a table that a person may open with a spreadsheet.

Titles and reasons come from candidates and agents. A text that a spreadsheet would take for a formula gets an
apostrophe before it, and every cell is one line. Numbers stay as they are; JSON has everything exactly.
"""

from __future__ import annotations

import json
from typing import Any

from lab_plugin.proposers import clean_block

_FORMULA = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_FORMULA_TOO = ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")
_LONGEST = 30_000
"""Characters; spreadsheets hold 32,767."""


def cell(value: Any) -> str:
    """A value as a cell; "" for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return text_cell(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)


def text_cell(text: str) -> str:
    """A text as a cell: one line without control characters, and no formula."""
    line = " ".join(clean_block(text, _LONGEST).split())
    return f"'{line}" if line.startswith((*_FORMULA, *_FORMULA_TOO)) else line
