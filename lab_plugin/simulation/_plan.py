"""What is to be simulated, as it is written: options of the command, or a TOML file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lab_plugin.errors import ConfigError
from lab_plugin.simulation._plan_tables import SyntheticTable, Table, TierTable, told, unknown
from lab_plugin.simulation._screening import Screen
from lab_plugin.simulation._synthetic import Synthetic
from lab_plugin.toml import Positions, TomlFault, parse_toml

_MAX_BYTES = 64 << 10
_REMEDY = "`lab simulate --help` shows how a plan is written; docs/scale.md has examples."
_T = TypeVar("_T", bound=Table)
_EXAMPLE = "proxy:cost=0.1,rho=0.8,promote=quantile:0.33"


@dataclass(frozen=True)
class Plan:
    """Tiers before the last, and a made-up lab if one is wanted.

    Attributes:
        screens: The cheapest first.
        synthetic: The world; None for the lab's own.
    """

    screens: tuple[Screen, ...] = ()
    synthetic: Synthetic | None = None


def read_plan(path: Path | None, tiers: Iterable[str], synthetic: str) -> Plan:
    """Read a plan.

    Args:
        path: A TOML file with `[tiers.NAME]` and `[synthetic]`; None for none.
        tiers: Options such as `proxy:cost=0.1,rho=0.8,promote=quantile:0.33`.
        synthetic: An option such as `seconds=60,spread=0.5`; "" for none.

    Raises:
        ConfigError: It has faults, which are all listed; or the file cannot be read.
    """
    reader = _Reader()
    if path:
        reader.take_file(path)
    for option in tiers:
        reader.take_tier(option)
    if synthetic:
        reader.take_synthetic(synthetic)
    if reader.faults:
        raise ConfigError("The plan has faults:", _REMEDY, tuple(reader.faults))
    return Plan(tuple(reader.screens.values()), reader.synthetic)


class _Reader:
    """Takes in what is written, and gathers all that is wrong with it."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.screens: dict[str, Screen] = {}
        self.synthetic: Synthetic | None = None

    def take_file(self, path: Path) -> None:
        written, positions = _read(path)

        def place(*parts: str) -> str:
            return f"{path.name}:{positions.line(parts)}: {'.'.join(parts)}"

        for name in written.keys() - {"tiers", "synthetic"}:
            self.faults.append(f"{place(name)}: {unknown(name, ('tiers', 'synthetic'))}")
        tiers = written.get("tiers", {})
        if not isinstance(tiers, dict):
            self.faults.append(f"{place('tiers')}: must be tables, such as [tiers.proxy]")
            tiers = {}
        for name, values in tiers.items():
            self._tier(place("tiers", name), name, values, strict=True)
        if "synthetic" in written:
            self._world(place("synthetic"), written["synthetic"], strict=True)

    def take_tier(self, option: str) -> None:
        name, colon, rest = option.partition(":")
        if not colon or not name or "=" in name:
            self.faults.append(f"--tier {option!r}: write NAME:KEY=VALUE,... such as {_EXAMPLE}")
            return
        where = f"--tier {name}"
        self._tier(where, name, self._pairs(rest, where), strict=False)

    def take_synthetic(self, option: str) -> None:
        self._world("--synthetic", self._pairs(option, "--synthetic"), strict=False)

    def _tier(self, place: str, name: str, values: object, *, strict: bool) -> None:
        if name in self.screens:
            self.faults.append(f"{place}: the tier is given twice")
        table = self._checked(TierTable, place, values, strict=strict)
        if table is not None:
            self.screens[name] = Screen(name, table.promote, table.rho, table.seconds, table.cost)

    def _world(self, place: str, values: object, *, strict: bool) -> None:
        if self.synthetic is not None:
            self.faults.append(f"{place}: the made-up lab is given twice")
        table = self._checked(SyntheticTable, place, values, strict=strict)
        if table is not None:
            self.synthetic = Synthetic(**table.model_dump())

    def _checked(self, model: type[_T], place: str, values: object, *, strict: bool) -> _T | None:
        try:
            return model.model_validate(values, strict=strict)
        except ValidationError as error:
            self.faults += [f"{place}{told(fault, model)}" for fault in error.errors(include_url=False)]
            return None

    def _pairs(self, text: str, place: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for pair in text.split(","):
            key, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not key:
                self.faults.append(f"{place}: {pair!r} is no KEY=VALUE")
            elif key in found:
                self.faults.append(f"{place}: {key!r} is given twice")
            else:
                found[key] = value
        return found


def _read(path: Path) -> tuple[dict[str, Any], Positions]:
    try:
        # A FIFO in its place must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path} is no regular file.", _REMEDY)
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_BYTES >> 10} KiB; it is no plan.", _REMEDY)
        document = parse_toml(data.decode("utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, TomlFault):
            raise ConfigError(f"{path.name}:{error.line}: {error.message}", _REMEDY) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path} cannot be read: {reason}.", _REMEDY) from None
    return document.values, document.positions
