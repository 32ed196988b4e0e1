"""A first search space: for the written example, or around the values of a parameter file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tomlkit

from lab_plugin.errors import ConfigError
from lab_plugin.parameters import read

_SETTINGS = ("file", "key")
EXAMPLE_VALUES: Mapping[str, float] = {"width": 1.0, "ridge": 1.0}
EXAMPLE_SPACE = (
    'width = { type = "float", low = 0.05, high = 2.0, log = true }\n'
    'ridge = { type = "float", low = 1e-4, high = 10.0, log = true }'
)


def space_around(data: bytes, file: str) -> str:
    """Lines of `[search_space]` for the values at the top of a JSON parameter file.

    Args:
        data: The file.
        file: Its name, for errors.

    Raises:
        ConfigError: It holds no number, string or boolean at its top.
        ParametersError: It is no valid JSON.
    """
    read(data, "json", None, (), path=file)
    lines = [
        f"{tomlkit.key(name).as_string()} = {range_}"
        for name, value in json.loads(data).items()
        if name not in _SETTINGS and (range_ := _range(value))
    ]
    if not lines:
        raise ConfigError(
            f"{file} holds no parameter: a number, a string or a boolean at its top.",
            f"Add one, or move {file} away to have an example written.",
        )
    return "\n".join(lines)


def _range(value: Any) -> str:
    if isinstance(value, bool):
        return '{ type = "categorical", choices = [true, false] }'
    if isinstance(value, str):
        return f'{{ type = "categorical", choices = [{tomlkit.string(value).as_string()}] }}'
    if isinstance(value, int):
        low, high = (max(1, value // 4), value * 4) if value > 0 else (value - 10, value + 10)
        return f'{{ type = "int", low = {low}, high = {high}{", log = true" if value > 0 else ""} }}'
    if isinstance(value, float):
        low_, high_ = (value / 10, value * 10) if value > 0 else (value - 1.0, value + 1.0)
        return f'{{ type = "float", low = {low_!r}, high = {high_!r}{", log = true" if value > 0 else ""} }}'
    return ""
