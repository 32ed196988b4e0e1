"""Parameters that others wrote, as points of this lab's search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_plugin.config import CategoricalParameter, IntParameter, Parameter, Scalar
from lab_plugin.proposers import Space


class Fitting:
    """Finds out which parameters are a point of a search space.

    A point has all parameters of the space, each within its range, and no other: with another one the value
    would be that of something else.

    Args:
        parameters: The space; empty for a lab without one.
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = parameters
        self._space = Space(parameters)

    def point(self, params: Mapping[str, Scalar]) -> dict[str, Any] | None:
        """The same point with the types of the space; None where it is none."""
        if not self._parameters or params.keys() != self._parameters.keys():
            return None
        typed = {name: _typed(self._parameters[name], value) for name, value in params.items()}
        code = self._space.encode(typed)
        return None if code is None else dict(self._space.decode(code))


def _typed(parameter: Parameter, value: Scalar) -> Scalar:
    """A value as its parameter has it, where it only was written otherwise."""
    if isinstance(parameter, CategoricalParameter):
        same = (each for each in parameter.choices if type(each) is type(value) and each == value)
        exact = next(same, None)
        if exact is None and isinstance(value, str):
            return next((each for each in parameter.choices if value in _written(each)), value)
        return value if exact is None else exact
    if isinstance(value, str):
        try:
            value = float(value) if any(sign in value for sign in ".eE") else int(value)
        except ValueError:
            return value
    if isinstance(parameter, IntParameter) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _written(choice: Scalar) -> tuple[str, ...]:
    return (str(choice), str(choice).lower()) if isinstance(choice, bool) else (str(choice),)
