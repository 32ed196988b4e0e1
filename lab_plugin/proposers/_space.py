"""The search space as exact points: what is told and what is proposed meet here as plain numbers.

Every axis translates between a parameter's value and its code, a number that a sampler works with:
an index for choices and grids, the value itself otherwise. Codes are exact, so that two points are the
same if and only if their codes are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lab_plugin.errors import ProposerError

Value = bool | int | float | str
Code = tuple[int | float, ...]

_EXACT_INTEGERS = 2**53
_BESIDE_GRID = Decimal("1e-9")


class Axis(ABC):
    """One parameter of the space.

    Attributes:
        size: How many values it has, None for a continuum.
        first: Code of its first value; the codes of a finite axis are consecutive integers.
    """

    size: int | None
    first: int | float

    @abstractmethod
    def decode(self, code: float) -> Value:
        """The plain Python value of a code; a code beside the axis becomes the nearest one on it."""

    @abstractmethod
    def encode(self, value: object) -> int | float | None:
        """The code of a value, None when the value is not on this axis."""

    @abstractmethod
    def distribution(self) -> Any:
        """The Optuna distribution of the codes."""


@dataclass(frozen=True)
class _Choices(Axis):
    choices: tuple[Value, ...]
    first = 0

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.choices)

    def decode(self, code: float) -> Value:
        return self.choices[int(code)]

    def encode(self, value: object) -> int | None:
        # 1, 1.0 and True are equal in Python, and three different choices in a file.
        for index, choice in enumerate(self.choices):
            if type(choice) is type(value) and choice == value:
                return index
        return None

    def distribution(self) -> Any:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(range(self.size))


@dataclass(frozen=True)
class _Grid(Axis):
    low: Decimal
    step: Decimal
    size: int
    integer: bool
    first = 0

    def decode(self, code: float) -> Value:
        # Decimal keeps 0.1 + 2 * 0.1 at 0.3.
        exact = self.low + min(max(round(code), 0), self.size - 1) * self.step
        return int(exact) if self.integer else float(exact)

    def encode(self, value: object) -> int | None:
        number = _number(value, integer=self.integer)
        if number is None:
            return None
        exact = (Decimal(repr(number)) - self.low) / self.step
        index = round(exact)
        # A value that was computed in floating point may be a little beside its grid point.
        if not 0 <= index < self.size or abs(exact - index) > _BESIDE_GRID:
            return None
        return index

    def distribution(self) -> Any:
        from optuna.distributions import IntDistribution

        return IntDistribution(0, self.size - 1)


@dataclass(frozen=True)
class _LogInteger(Axis):
    low: int
    high: int

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.high - self.low + 1

    @property
    def first(self) -> int:  # type: ignore[override]
        return self.low

    def decode(self, code: float) -> int:
        return min(max(round(code), self.low), self.high)

    def encode(self, value: object) -> int | None:
        number = _number(value, integer=True)
        return int(number) if number is not None and self.low <= number <= self.high else None

    def distribution(self) -> Any:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=True)


@dataclass(frozen=True)
class _Continuum(Axis):
    low: float
    high: float
    log: bool

    @property
    def size(self) -> int | None:  # type: ignore[override]
        return 1 if self.low == self.high else None

    @property
    def first(self) -> float:  # type: ignore[override]
        return self.low

    def decode(self, code: float) -> float:
        return min(max(float(code), self.low), self.high)

    def encode(self, value: object) -> float | None:
        number = _number(value, integer=False)
        return float(number) if number is not None and self.low <= number <= self.high else None

    def distribution(self) -> Any:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


class Space:
    """All axes together.

    Args:
        parameters: Parameter name -> its model (`type`, and `low`, `high`, `log`, `step` or `choices`).

    Raises:
        ProposerError: An axis cannot be searched.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.axes: dict[str, Axis] = {name: _axis(name, model) for name, model in parameters.items()}
        sizes = [axis.size for axis in self.axes.values()]
        self.size: int | None = None if None in sizes else math.prod(size or 1 for size in sizes)

    def encode(self, params: Mapping[str, Any]) -> Code | None:
        """The code of a point, None when it is not a point of this space."""
        if params.keys() != self.axes.keys():
            return None
        codes = [axis.encode(params[name]) for name, axis in self.axes.items()]
        return None if None in codes else tuple(codes)  # type: ignore[arg-type]

    def decode(self, code: Code) -> dict[str, Value]:
        """The parameters of a code."""
        return {name: axis.decode(part) for (name, axis), part in zip(self.axes.items(), code, strict=True)}

    def nth(self, index: int) -> Code:
        """The code of one point of a finite space, `index` from 0 to `size - 1`."""
        code: list[int | float] = []
        for axis in self.axes.values():
            index, offset = divmod(index, axis.size or 1)
            code.append(axis.first + offset)
        return tuple(code)


def _axis(name: str, model: Any) -> Axis:
    where = f"[search_space] {name}"
    if model.type == "categorical":
        if not model.choices:
            raise ProposerError(f"{where}: choices is empty")
        different = {(type(choice), choice): choice for choice in model.choices}
        return _Choices(tuple(different.values()))
    integer = model.type == "int"
    low, high, log = model.low, model.high, bool(model.log)
    step = model.step or (1 if integer else None)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high and math.isfinite(high - low)):
        raise ProposerError(f"{where}: low and high must be finite and low not above high")
    if log and (low <= 0 or step not in (None, 1)):
        raise ProposerError(f"{where}: a log scale needs low above 0, and no step")
    if integer and max(abs(low), abs(high)) > _EXACT_INTEGERS:
        raise ProposerError(f"{where}: integers beyond 2**53 cannot be searched exactly")
    if step is not None and step <= 0:
        raise ProposerError(f"{where}: step must be above 0")
    if integer and log:
        return _LogInteger(int(low), int(high))
    if step is None:
        return _Continuum(float(low), float(high), log)
    origin, width = Decimal(str(low)), Decimal(str(step))
    return _Grid(origin, width, int((Decimal(str(high)) - origin) // width) + 1, integer)


def _number(value: object, *, integer: bool) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        return None
    return value if math.isfinite(value) else None
