"""The parameters of flows that a person starts from a form, as the Prefect UI shows and checks them.

Titles and descriptions of parameters are their names and docstrings; only those of inner fields stand here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LabFolder = Annotated[str, Field(min_length=1)]
Jobs = Annotated[int, Field(ge=1, le=256)]
AtMost = Annotated[int, Field(ge=1)]


class Bounds(BaseModel):
    """The budget of a campaign; what is empty is as lab.toml has it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, title="Budget")

    iterations: int | None = Field(None, ge=0, title="Iterations", description="Ideas, in all.")
    hours: float | None = Field(None, gt=0, title="Hours", description="Active wall time.")
    cost_usd: float | None = Field(None, gt=0, title="Cost", description="US dollars.")
    target: float | None = Field(None, title="Target", description="Value of the metric that is good enough.")
    plateau: int | None = Field(None, ge=1, title="Plateau", description="Ideas in a row without a keep.")
    crashes: int | None = Field(None, ge=1, title="Crashes", description="Crashed ideas in a row.")

    def given(self) -> dict[str, float]:
        """The bounds that are given, by name."""
        return {name: float(value) for name, value in self if value is not None}
