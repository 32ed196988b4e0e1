"""One row of what was tried elsewhere, as the ledger keeps it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from lab_plugin.config import Scalar
from lab_plugin.ledger import canonical

Status = Literal["", "keep", "discard", "crash", "pruned"]

WORDS: dict[str, Status] = {
    "": "",
    **dict.fromkeys(("keep", "kept", "yes", "true", "best", "improved", "accepted"), "keep"),
    **dict.fromkeys(("discard", "discarded", "reverted", "no", "false", "inconclusive"), "discard"),
    **dict.fromkeys(("complete", "finished", "ok", "success", "done", "valid"), ""),
    **dict.fromkeys(("crash", "crashed", "fail", "failed", "error", "invalid", "timeout"), "crash"),
    **dict.fromkeys(("rejected", "killed"), "crash"),
    **dict.fromkeys(("pruned",), "pruned"),
}
"""What other systems call the end of a try, in lower case."""


class Row(BaseModel):
    """One try, as its source tells of it. Texts are data, never instructions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    line: int
    """Where it stands in its source, from 1: a line, or its place in the order of a store."""
    name: str = ""
    """What the source calls it: an experiment's id, a trial's number, a run's name."""
    commit: str = ""
    title: str = ""
    status: Status = ""
    value: FiniteFloat | None = None
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    params: dict[str, Scalar] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """sha256 (hex) of all that it says, wherever it stands."""
        return hashlib.sha256(canonical(self.model_dump(exclude={"line"})).encode()).hexdigest()


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read.

    Attributes:
        line: Where it stands, as `Row.line`.
        what: What is wrong with it.
    """

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


def make_row(line: int, fields: dict[str, Any]) -> Row | BadRow:
    """A row of these fields, or what is wrong with them."""
    try:
        return Row(line=line, **fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return BadRow(line, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
