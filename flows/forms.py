"""The parameters of flows that a person starts from a form, as the Prefect UI shows and checks them.

Titles and descriptions of parameters are their names and docstrings; only those of inner fields stand here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

# Where nothing is given there is an empty field, and no choice of a type.
Nothing = SkipJsonSchema[None]

LabFolder = Annotated[str, Field(min_length=1)]
Jobs = Annotated[int, Field(ge=1, le=256)]
Some = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class Bounds(BaseModel):
    """The budget of a campaign; what is empty is as lab.toml has it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, title="Budget")

    iterations: Count | Nothing = Field(None, title="Iterations", description="Ideas, in all.")
    hours: Amount | Nothing = Field(None, title="Hours", description="Active wall time.")
    cost_usd: Amount | Nothing = Field(None, title="Cost", description="US dollars.")
    target: float | Nothing = Field(
        None, title="Target", description="Value of the metric that is good enough."
    )
    plateau: Some | Nothing = Field(None, title="Plateau", description="Ideas in a row without a keep.")
    crashes: Some | Nothing = Field(None, title="Crashes", description="Crashed ideas in a row.")

    def given(self) -> dict[str, float]:
        """The bounds that are given, by name."""
        return {name: float(value) for name, value in self if value is not None}
