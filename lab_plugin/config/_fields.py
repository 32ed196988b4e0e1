"""What the values of `lab.toml` may be: the types of its keys, each with its check."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from lab_plugin.config._paths import check_disjoint, check_path
from lab_plugin.config._space import check_some
from lab_plugin.config._units import parse_duration, parse_size
from lab_plugin.errors import ConfigError
from lab_plugin.sandbox import CONTRACT_GUARANTEES, GUARANTEES

_LAB_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SERVED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[^\W\d_]\w*)?")
_SEED_LIMIT = 2**32 - 1
_YEAR = 366 * 86_400.0
_PEBIBYTE = 2**50


def check_lab_name(name: str) -> str:
    if not _LAB_NAME.fullmatch(name):
        raise ValueError(
            "a lab's name has 1 to 40 characters: a to z, 0 to 9 and -, beginning with a letter or digit"
        )
    return name


def check_address(address: str) -> str:
    if address.startswith("-") or not address.isprintable() or address != address.strip():
        raise ValueError("must be the name of a git remote, a path, an URL or host:path")
    if re.search(r"//[^/@\s]+:[^/@\s]+@", address):
        raise ValueError("must hold no password: use an SSH key or a credential helper of git")
    return address


def _check_pattern(pattern: str) -> str:
    return check_path(pattern, pattern=True)


def _check_disjoint(paths: tuple[str, ...]) -> tuple[str, ...]:
    check_disjoint(paths)
    return paths


def check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise ValueError(f'"{twice[0]}" is given twice')
    return values


def _check_command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words[0].strip():
        raise ValueError("the first word of a command names a program and must not be empty")
    if any("\0" in word for word in words):
        raise ValueError("a command must not hold a NUL character")
    return words


def _check_hosts(rules: tuple[str, ...]) -> tuple[str, ...]:
    if rules:
        # Not needed by most commands, and slow to import.
        from lab_plugin.network import Policy

        try:
            Policy.parse(rules)
        except ConfigError as error:
            raise ValueError("; ".join(error.faults) + ". " + error.remedy) from None
    return rules


def check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f'"{name}" is no name of an environment variable; name it, do not write its value')
    return name


def check_guarantee(name: str) -> str:
    known = (*GUARANTEES, *CONTRACT_GUARANTEES)
    if name not in known:
        raise ValueError(f'"{name}" is no guarantee; there are {", ".join(known)}')
    return name


def _check_served(text: str) -> str:
    if not _SERVED.fullmatch(text):
        raise ValueError('a module is served as "model", and one function of it as "model:predict"')
    return text


def _check_text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be text in one line, and not empty")
    return text


RelativePath = Annotated[str, AfterValidator(check_path)]
Paths = Annotated[
    tuple[RelativePath, ...],
    Field(strict=False),
    AfterValidator(check_some),
    AfterValidator(_check_disjoint),
]
Patterns = Annotated[
    tuple[Annotated[str, AfterValidator(_check_pattern)], ...],
    Field(strict=False),
    AfterValidator(check_some),
    AfterValidator(check_unique),
]
Command = Annotated[
    tuple[str, ...], Field(strict=False), AfterValidator(check_some), AfterValidator(_check_command)
]
Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=_YEAR)]
Bytes = Annotated[int, BeforeValidator(parse_size), Field(ge=2**20, le=_PEBIBYTE)]
Cores = Annotated[float, Field(gt=0, le=4_096)]
Seed = Annotated[int, Field(ge=0, le=_SEED_LIMIT)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Text = Annotated[str, AfterValidator(_check_text)]
Served = Annotated[str, AfterValidator(_check_served)]
Hosts = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_hosts)]
