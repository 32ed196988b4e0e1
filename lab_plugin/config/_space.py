"""The search space: parameters, their ranges, and the committed file that they are written to."""

from __future__ import annotations

import decimal
import math
import posixpath
import re
from collections.abc import Mapping, Sized
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

from lab_plugin.config._paths import check_path

Scalar = str | int | float | bool
_Sized = TypeVar("_Sized", bound=Sized)
_EXACT_INT = 2**53
_NAME = re.compile(r"[/\w.\- :]{1,250}")


class Table(BaseModel):
    """A table of `lab.toml`: frozen, no unknown keys, nothing turned into another type."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


def check_some(values: _Sized) -> _Sized:
    """Return what holds something.

    pydantic's own minimum counts only the items that are valid, and so tells one fault twice.

    Raises:
        ValueError: It is empty.
    """
    if not values:
        raise ValueError("must not be empty")
    return values


def check_name(name: str) -> str:
    """Return a name that MLflow takes for a metric or a parameter.

    Raises:
        ValueError: It would be refused there.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a name has 1 to 250 letters, digits, spaces or any of _ - . : /, and nothing else")
    if posixpath.normpath(name) != name or name.startswith(("/", "..")) or name == ".":
        raise ValueError('a name with "/" or "." must not read as a path that could be shorter')
    if name.strip() != name:
        raise ValueError("a name must not begin or end with a space")
    return name


Name = Annotated[str, AfterValidator(check_name)]


def _check_choices(value: object) -> tuple[Scalar, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError('must be a list of one or more values, such as ["adam", "sgd"]')
    seen: dict[Scalar, None] = {}
    for choice in value:
        if not isinstance(choice, str | int | float | bool):
            raise ValueError("every choice must be a string, a number, true or false")
        if isinstance(choice, float) and not math.isfinite(choice):
            raise ValueError("nan and inf cannot be choices")
        if choice in seen:
            raise ValueError(f"the choice {choice!r} is equal to another one (true equals 1, 1.0 equals 1)")
        seen[choice] = None
    return tuple(seen)


class FloatParameter(Table):
    """A real number from `low` to `high`, both included; on a grid when `step` is given."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    step: float | None = None

    @model_validator(mode="after")
    def _check(self) -> FloatParameter:
        _check_range(self.low, self.high, log=self.log, lowest=None)
        if self.step is not None:
            if self.log:
                raise ValueError("log and step exclude each other")
            _check_step(self.low, self.high, self.step)
        return self


class IntParameter(Table):
    """A whole number from `low` to `high`, both included, in steps of `step`."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int = 1

    @model_validator(mode="after")
    def _check(self) -> IntParameter:
        if max(abs(self.low), abs(self.high)) > _EXACT_INT:
            raise ValueError("bounds beyond 2^53 cannot be searched exactly")
        _check_range(self.low, self.high, log=self.log, lowest=1)
        if self.log and self.step != 1:
            raise ValueError("log and step exclude each other")
        _check_step(self.low, self.high, self.step)
        return self


class CategoricalParameter(Table):
    """One of some values, without an order."""

    type: Literal["categorical"]
    choices: Annotated[tuple[Scalar, ...], PlainValidator(_check_choices)]


Parameter = Annotated[FloatParameter | IntParameter | CategoricalParameter, Field(discriminator="type")]


def _check_range(low: float, high: float, *, log: bool, lowest: int | None) -> None:
    if low > high:
        raise ValueError(f"low ({low}) is above high ({high})")
    if not math.isfinite(high - low):
        raise ValueError("the range from low to high is too wide for a number")
    if log and (low <= 0 or (lowest is not None and low < lowest)):
        need = "above 0" if lowest is None else f"{lowest} or more"
        raise ValueError(f"log needs a low of {need}, not {low}")


def _check_step(low: float, high: float, step: float) -> None:
    if step <= 0:
        raise ValueError(f"step must be above 0, not {step}")
    exact_low, exact_high, exact_step = (decimal.Decimal(str(number)) for number in (low, high, step))
    try:
        steps, rest = divmod(exact_high - exact_low, exact_step)
    except decimal.DecimalException:
        raise ValueError(f"step {step} makes too many values from {low} to {high}") from None
    if rest:
        reached = exact_low + steps * exact_step
        raise ValueError(
            f"step {step} does not lead from {low} to {high}; Optuna would lower high to {reached}: "
            "write that, or another step"
        )


def _check_file(path: str) -> str:
    check_path(path)
    if not path.endswith((".json", ".toml")):
        raise ValueError("the parameter file must be a .json or a .toml file")
    return path


def _check_key(key: str) -> str:
    if any(not part or part != part.strip() or not part.isprintable() for part in key.split(".")):
        raise ValueError('key is the name of a table in the file, such as "model" or "model.optimizer"')
    return key


class SearchSpace(Table):
    """What numeric strategies may choose, and where it is written.

    Attributes:
        file: JSON or TOML file in the lab's folder, within `candidate.paths`.
        key: Dotted name of the table inside the file that holds the parameters; None for its top.
        parameters: Name to range, in the order of `lab.toml`.
    """

    file: Annotated[str, AfterValidator(_check_file)]
    key: Annotated[str, AfterValidator(_check_key)] | None = None
    parameters: Annotated[Mapping[Name, Parameter], AfterValidator(check_some)]
