"""The tables of a plan, and what is said of their faults."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import ErrorDetails

from lab_plugin.config import read_rule
from lab_plugin.promotion import Rule

_LONGEST = 1e9
_WORDS = "write quantile:0.33, top_k:2/8, top_k:5, threshold:0.9 or decision"


def _promote(value: object) -> Rule:
    """A rule as `lab.toml` has it, or as one word of an option.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or value == "decision":
        return read_rule(value)
    name, _, rest = value.partition(":")
    if name not in ("quantile", "top_k", "threshold"):
        raise ValueError(f"{value!r} is no rule; {_WORDS}")
    try:
        if name != "top_k":
            return read_rule({name: float(rest)})
        count, slash, of = rest.partition("/")
        return read_rule({"top_k": int(count), **({"of": int(of)} if slash else {})})
    except ValueError as error:
        raise ValueError(f"{value!r} is no rule ({error}); {_WORDS}") from None


class Table(BaseModel):
    """A table of a plan: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class TierTable(Table):
    """`[tiers.NAME]`, as `Screen` has it."""

    promote: Annotated[Rule, PlainValidator(_promote)]
    rho: Annotated[float, Field(ge=-1, le=1)]
    seconds: Annotated[float, Field(ge=0, le=_LONGEST)] | None = None
    cost: Annotated[float, Field(gt=0, le=1_000)] | None = None

    @model_validator(mode="after")
    def _check(self) -> TierTable:
        if (self.seconds is None) == (self.cost is None):
            raise ValueError("give either seconds, or cost as a share of the last tier's seconds")
        return self


class SyntheticTable(Table):
    """`[synthetic]`, as `Synthetic` has it."""

    seconds: Annotated[float, Field(gt=0, le=_LONGEST)]
    spread: Annotated[float, Field(ge=0, le=3)] = 0.5
    noise: Annotated[float, Field(ge=0, le=1_000)] = 0.2
    crashes: Annotated[float, Field(ge=0, lt=1)] = 0.0


def told(fault: ErrorDetails, model: type[Table]) -> str:
    """What to say of a fault, after the place of the table."""
    key = "".join(f".{part}" for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f": {unknown(str(fault['loc'][-1]), model.model_fields)}"
    if fault["type"] == "missing":
        return f": the key {key[1:]!r} is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}"


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of a key that is not known."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown key {name[:60]!r}; {hint}"
