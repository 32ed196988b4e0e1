"""`deployments/compose.yaml` read as Docker does, and its programs run without containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deployments"
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:-|:\?)([^{}]*))?\})")


class MissingVariable(Exception):
    """A variable that must be set is not."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """A value of the file with its variables filled in."""
    if isinstance(value, dict):
        return {key: interpolated(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        dollar, name, how, text = found.groups()
        if dollar:
            return "$"
        if variables.get(name):
            return variables[name]
        if how != ":-":
            raise MissingVariable(f"{name}: {text}")
        return str(text)

    filled = _VARIABLE.sub(fill, value)
    assert "$" not in _VARIABLE.sub("", value), f"a dollar that is no variable: {value}"
    return filled


def services(variables: Mapping[str, str], replace: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The services of the file.

    Args:
        variables: The environment of `docker compose`.
        replace: Text of the file -> text in its place, before it is read.
    """
    text = (FOLDER / "compose.yaml").read_text()
    for old, new in (replace or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    found: dict[str, Any] = interpolated(yaml.safe_load(text)["services"], variables)
    return found
