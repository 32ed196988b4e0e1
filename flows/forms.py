"""The parameters of flows that a person starts from a form, as the Prefect UI shows and checks them.

Titles and descriptions of parameters are their names and docstrings; only those of inner fields stand here.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import SkipJsonSchema


def _without_default(schema: dict[str, Any]) -> None:
    """Leave an empty field out: the form would send the null of its default, which is of no type."""
    schema.pop("default", None)


_Empty = Field(json_schema_extra=_without_default)
# Where nothing is given there is an empty field, and no choice of a type.
_Nothing = SkipJsonSchema[None]
_Some = Annotated[int, Field(ge=1)]
_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(gt=0)]

LabFolder = Annotated[str, Field(min_length=1)]
Jobs = Annotated[int, Field(ge=1, le=256)]
AtMost = Annotated[int, Field(ge=0)]
Reruns = dict[int, int] | _Nothing


class Bounds(BaseModel):
    """The budget of a campaign; what is empty is as lab.toml has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, title="Budget")

    iterations: Annotated[_Count | _Nothing, _Empty] = Field(
        None, title="Iterations", description="Ideas, in all."
    )
    hours: Annotated[_Amount | _Nothing, _Empty] = Field(None, title="Hours", description="Active wall time.")
    cost_usd: Annotated[_Amount | _Nothing, _Empty] = Field(None, title="Cost", description="US dollars.")
    target: Annotated[float | _Nothing, _Empty] = Field(
        None, title="Target", description="Value of the metric that is good enough."
    )
    plateau: Annotated[_Some | _Nothing, _Empty] = Field(
        None, title="Plateau", description="Ideas in a row without a keep."
    )
    crashes: Annotated[_Some | _Nothing, _Empty] = Field(
        None, title="Crashes", description="Crashed ideas in a row."
    )

    def given(self) -> dict[str, float]:
        """The bounds that are given, by name."""
        return {name: float(value) for name, value in self if value is not None}

    @model_serializer(mode="wrap")
    def _leave_out_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


NO_BOUNDS = Bounds()
NO_RERUNS: dict[int, int] = {}
