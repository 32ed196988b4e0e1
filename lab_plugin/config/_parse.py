"""The text of a `lab.toml` to a `Config`, or all that is wrong with it."""

from __future__ import annotations

import copy
import datetime
import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from lab_plugin.config._blocks import KEY, TYPES, Blocks, Placed, put_in
from lab_plugin.config._candidate import Candidate
from lab_plugin.config._check_contract import check_contract
from lab_plugin.config._check_decision import check_decision
from lab_plugin.config._checks import check_between, check_strategy
from lab_plugin.config._deciding import Decision
from lab_plugin.config._expected_lock import ExpectedLock
from lab_plugin.config._faults import FaultTeller, label
from lab_plugin.config._feedback import Feedback
from lab_plugin.config._models import Budget, Config, Lab, SandboxTable, Tier
from lab_plugin.config._pools import PoolTables, check_pools
from lab_plugin.config._proposing import Proposer, Strategy
from lab_plugin.config._pruning import Pruning, check_pruning
from lab_plugin.config._resources import Resources
from lab_plugin.config._scoring import Scorer
from lab_plugin.config._services import ServiceTables, check_services
from lab_plugin.config._space import SearchSpace, Table
from lab_plugin.config._tier_merging import merged, place_in
from lab_plugin.config._tiers import TierTable, TierTables, check_tiers
from lab_plugin.config._tiers_apart import check_apart
from lab_plugin.config._tracking import Tracking
from lab_plugin.errors import ConfigError
from lab_plugin.toml import Document, Place, Positions, TomlFault, parse_toml

_TABLES: dict[str, type[Table]] = {
    "lab": Lab,
    "candidate": Candidate,
    "scorer": Scorer,
    "strategy": Strategy,
    "proposer": Proposer,
    "search_space": SearchSpace,
    "decision": Decision,
    "budget": Budget,
    "pruning": Pruning,
    "feedback": Feedback,
    "sandbox": SandboxTable,
    "resources": Resources,
    "services": ServiceTables,
    "tiers": TierTables,
    "pools": PoolTables,
    "tracking": Tracking,
    "lock": ExpectedLock,
}
_REQUIRED = ("lab", "candidate", "scorer")
_OPEN = {
    "strategy": "settings",
    "search_space": "parameters",
    "services": "tables",
    "tiers": "tables",
    "pools": "tables",
}
_INT_LIMIT = 2**63
_REMEDY = "Correct the lines that are named; `lab init` in an empty folder writes an example."


def parse(text: str, name: str = "lab.toml", blocks: Blocks | None = None) -> Config:
    """Read the text of a `lab.toml`.

    Args:
        text: The whole file.
        name: Its path; it becomes `Config.source`, and its last part begins every fault.
        blocks: `TYPE/NAME` -> settings of the Prefect blocks that it names, as far as they are known.

    Raises:
        ConfigError: It has faults; all of them are listed by line.
    """
    source = Path(name)
    document, positions = _document(text, source)
    placed = put_in(document, blocks or {})
    origin = _Origin(source, placed.positions(positions), placed)
    raw = copy.deepcopy(document)
    raw.pop("tiers", None)
    faults, tables = _validated(document)
    faults = {**faults, **placed.faults}
    tiers = tables.pop("tiers", None)
    if not faults and isinstance(tiers, TierTables):
        return _tiered(origin, raw, document["tiers"], tiers.tables)
    if not faults:
        return _config(origin, tables)
    raise _faulty(origin, _with_near_tiers(document, faults))


def _with_near_tiers(document: Mapping[str, Any], faults: Mapping[Place, str]) -> dict[Place, str]:
    """The faults; a tier without seeds may be the misspelt name of another one."""
    found, tiers = dict(faults), document.get("tiers")
    if not isinstance(tiers, Mapping):
        return found
    for name, table in tiers.items():
        others = [other for other in tiers if other != name]
        near = difflib.get_close_matches(str(name), others, 1)
        if near and isinstance(table, Mapping) and "seeds" not in table:
            for place, message in faults.items():
                if message == f"the key 'seeds' is missing in [tiers.{name}]":
                    found[place] = f"{message}; did you mean [tiers.{near[0]}]?"
    return found


class _Origin(NamedTuple):
    """Where what is read comes from."""

    source: Path
    positions: Positions
    placed: Placed


def _config(origin: _Origin, tables: Mapping[str, Table]) -> Config:
    config = Config.model_validate({"source": origin.source, **tables})
    config._positions = origin.positions
    config._placed = origin.placed
    return config


def _tiered(
    origin: _Origin,
    document: dict[str, object],
    written: dict[str, Any],
    tables: Mapping[str, TierTable],
) -> Config:
    """The configuration of the last tier, which holds those of all."""
    faults = dict(check_tiers(document, tables))
    tiers: list[Tier] = []
    for at, (name, table) in enumerate(tables.items()):
        last = at == len(tables) - 1
        whole = merged(document, written[name], last=last)
        found, sound = _validated(whole)
        for place, message in found.items():
            faults.setdefault(place_in(origin.positions, name, place), f"tiers.{name}: {message}")
        if not found:
            config = _config(origin, sound)
            where = (table.pool or "", table.queue or "")
            tiers.append(Tier(name, config, table.seeds, table.promote, *where))
            config._tiers = (tiers[-1],)
    for place, message in check_apart({tier.name: tier.config for tier in tiers}):
        faults.setdefault(place, message)
    if faults or not tiers:
        raise _faulty(origin, faults)
    whole_config = tiers[-1].config
    whole_config._tiers = tuple(tiers)
    return whole_config


def _faulty(origin: _Origin, faults: Mapping[Place, str]) -> ConfigError:
    lines = sorted((origin.positions.line(place), _told(origin, place, faults[place])) for place in faults)
    return error_of(origin.source, (f"{origin.source.name}:{line}: {message}" for line, message in lines))


def _told(origin: _Origin, place: Place, message: str) -> str:
    name = origin.placed.origin(place)
    return f"{message} (by the block {name})" if name else message


def error_of(source: Path, faults: Iterator[str]) -> ConfigError:
    """The error for faults of a file, one line each."""
    found = tuple(faults)
    count = "a fault" if len(found) == 1 else f"{len(found)} faults"
    return ConfigError(f"{source} has {count}.", _REMEDY, found)


def _document(text: str, source: Path) -> Document:
    try:
        if not text.strip():
            raise TomlFault(1, "is empty")
        return parse_toml(text)
    except TomlFault as fault:
        raise error_of(source, iter((f"{source.name}:{fault.line}: {fault.message}",))) from None


def _validated(document: dict[str, object]) -> tuple[dict[Place, str], dict[str, Table]]:
    """Faults by place, and the tables that are sound."""
    keys = {
        name: [key for key in model.model_fields if key != _OPEN.get(name)] for name, model in _TABLES.items()
    }
    teller = FaultTeller({name: [*known, KEY] if name in TYPES else known for name, known in keys.items()})
    faults = dict(_replace_strange_values(document))
    tables: dict[str, Table] = {}
    _add_strategy(document, faults)
    for name, content in document.items():
        if name not in _TABLES:
            faults.setdefault((name,), teller.unknown((name,)))
            continue
        try:
            tables[name] = _TABLES[name].model_validate(_gathered(name, content, keys[name]))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                place, message = teller.tell(name, details)
                faults.setdefault(place, message)
    for name in _REQUIRED:
        if name not in document:
            faults[(name,)] = f"the table [{name}] is missing"
    _add_faults_between(document, faults)
    return faults, tables


def _replace_strange_values(document: dict[str, object]) -> Iterator[tuple[Place, str]]:
    """Find values that no key takes, and put 0 in their place so that the rest can be checked."""
    pending: list[tuple[Place, Any]] = [((), document)]
    while pending:
        place, container = pending.pop()
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(entries):
            here: Place = (*place, key)
            if isinstance(value, dict | list):
                pending.append((here, value))
            elif message := _strangeness(value):
                container[key] = 0
                yield here, f"{label(here)}: {message}"


def _strangeness(value: object) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return "no key takes a date or time; write a string"
    if isinstance(value, int) and not -_INT_LIMIT <= value < _INT_LIMIT:
        return "a whole number must fit in 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan, inf and numbers too large for a float are not taken"
    return ""


def _add_strategy(document: dict[str, object], faults: dict[Place, str]) -> None:
    strategy = document.setdefault("strategy", {})
    if not isinstance(strategy, dict) or "name" in strategy:
        return
    if "search_space" in document:
        strategy["name"] = "random"
        return
    strategy["name"] = "none"
    faults[("strategy", "name")] = (
        "neither strategy.name nor a [search_space] is given, so nothing would make ideas"
    )


def _gathered(name: str, content: object, keys: list[str]) -> object:
    """A table with its free keys moved into one field."""
    if name not in _OPEN or not isinstance(content, dict):
        return content
    free = {key: value for key, value in content.items() if key not in keys}
    return {key: value for key, value in content.items() if key in keys} | {_OPEN[name]: free}


def _add_faults_between(document: dict[str, object], faults: dict[Place, str]) -> None:
    faulty = set(faults)

    def values(table: str, key: str) -> object:
        content = document.get(table)
        if not isinstance(content, dict) or any(place[:2] == (table, key) for place in faulty):
            return None
        return content.get(key)

    for place, message in check_between(values):
        faults.setdefault(place, message)

    def given(table: str) -> Collection[str] | None:
        content = document.get(table)
        return content.keys() if isinstance(content, dict) else None

    for place, message in check_contract(values, given):
        faults.setdefault(place, message)
    for place, message in check_pruning(values, given):
        faults.setdefault(place, message)
    for place, message in (*check_decision(values), *check_pools(document)):
        faults.setdefault(place, message)
    for place, message in check_strategy(values, has_space="search_space" in document):
        faults.setdefault(place, message)
    services = document.get("services")
    for place, message in check_services(values, services if isinstance(services, dict) else ()):
        faults.setdefault(place, message)
