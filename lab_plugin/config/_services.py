"""`[services.NAME]`: programs on the host that the lab's programs may reach."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from lab_plugin.config._checks import Values
from lab_plugin.config._fields import Command, Seconds, check_unique, check_variable
from lab_plugin.config._paths import covering
from lab_plugin.config._space import Table, check_some
from lab_plugin.toml import Place

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
_LOOPBACK = ("127.0.0.1", "localhost")
_READY_HINT = (
    '"tcp" (the port accepts), an address such as "http://127.0.0.1:5555/health" (answers 2xx), or a command '
    'such as ["adb", "get-state"] (exits with 0)'
)


def _check_service_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a service's name has 1 to 30 characters: a to z, 0 to 9 and _, beginning with a letter"
        )
    return name


def _check_ready(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        if value != "tcp":
            _check_address(value)
        return value
    if not isinstance(value, list | tuple) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError(f"must be {_READY_HINT}")
    words = tuple(str(word) for word in value)
    if not words[0].strip() or any("\0" in word for word in words):
        raise ValueError("a command names a program first, and no word of it holds a NUL character")
    return words


def _check_address(text: str) -> None:
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-?A-~]+", text):
        raise ValueError(f"must be {_READY_HINT}")


class Service(Table):
    """`[services.NAME]`: a device or an emulator on the host, which programs reach by one port.

    Attributes:
        command: argv, without a shell; runs on the host as the user of the lab, in the lab's folder, and
            stays in the foreground. `python` as its first word is the interpreter that runs `lab`.
        port: TCP port, 1024 to 65535, on 127.0.0.1 on which it, or a process that it starts, listens.
            Programs reach it at the same address.
        ready: When it can be used: `tcp`, an `http://` address on this machine, or a command of the host.
        timeout: Seconds until it is ready.
        roles: The key `for`: whose programs may reach it.
        env: Names of the lab's environment variables that it gets, besides PATH, HOME and the like.
        restart: `campaign`: one for all, started when it is first needed and again when it ended; `trial`: a
            fresh one for each run of a program, and one run at a time.
    """

    command: Command
    port: Annotated[int, Field(ge=1024, le=65535)]
    ready: Annotated[str | tuple[str, ...], PlainValidator(_check_ready)] = "tcp"
    timeout: Seconds = 60.0
    roles: Annotated[
        tuple[Literal["candidate", "scorer", "proposer"], ...],
        Field(alias="for", strict=False),
        AfterValidator(check_some),
        AfterValidator(check_unique),
    ] = ("candidate",)
    env: Annotated[
        tuple[Annotated[str, AfterValidator(check_variable)], ...],
        Field(strict=False),
        AfterValidator(check_unique),
    ] = ()
    restart: Literal["campaign", "trial"] = "campaign"


class ServiceTables(Table):
    """All tables `[services.NAME]`.

    Attributes:
        tables: Name to table, in the order of `lab.toml`.
    """

    tables: Mapping[Annotated[str, AfterValidator(_check_service_name)], Service]


def unwrap(value: object) -> object:
    """The services of a `ServiceTables`; anything else as it is."""
    return value.tables if isinstance(value, ServiceTables) else value


Services = Annotated[Mapping[str, Service], BeforeValidator(unwrap)]


def check_services(values: Values, names: Iterable[str]) -> Iterator[tuple[Place, str]]:
    """Find faults between services, and between them and what else `lab.toml` says.

    Args:
        values: Looks keys up.
        names: Of the services, sound or not.
    """
    tables = {name: table for name in names if isinstance(table := values("services", name), dict)}
    paths = tuple(path for path in _list(values("candidate", "paths")) if isinstance(path, str))
    closed = "network_none" in _list(values("sandbox", "require"))
    ports = Counter(table["port"] for table in tables.values())
    for name, table in tables.items():
        here: Place = ("services", name)
        roles = _list(table.get("for", ["candidate"]))
        if ports[table["port"]] > 1:
            yield (*here, "port"), f"services.{name}.port: another service has the port {table['port']} too"
        if "scorer" in roles and len(set(roles)) > 1 and table.get("restart") != "trial":
            yield (
                (*here, "for"),
                f"services.{name}.for: what another program leaves in it could make the scorer's number; set "
                'restart = "trial", so that each gets a fresh one, or declare one for the scorer alone',
            )
        if "candidate" in roles and values("candidate", "warm"):
            yield ("candidate", "warm"), f"candidate.warm: cannot be had together with services.{name}"
        if closed and {"candidate", "scorer"} & set(roles):
            yield ("sandbox", "require"), f"sandbox.require: network_none cannot hold with services.{name}"
        yield from _editable(name, table, paths)


def _editable(name: str, table: Mapping[str, object], paths: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    """Words that name what an idea may change: on the host it would run without a sandbox."""
    for key in ("command", "ready"):
        for index, word in enumerate(_list(table.get(key))):
            if covering(posixpath.normpath(word), paths) is not None:
                message = f'"{word}" is of candidate.paths; what an idea may change must not run on the host'
                yield ("services", name, key, index), f"services.{name}.{key}: {message}"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
