"""What pydantic finds wrong with a table, in the words of `lab.toml`."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping

from pydantic_core import ErrorDetails

from lab_plugin.config._deciding import nested
from lab_plugin.config._holdout import Holdout
from lab_plugin.config._pools import Pool
from lab_plugin.config._schemas import BY_TYPE
from lab_plugin.config._services import Service
from lab_plugin.config._space import CategoricalParameter, FloatParameter, IntParameter, Table
from lab_plugin.config._tiers import TierTable
from lab_plugin.toml import Place

_PARAMETERS: dict[str, type[Table]] = {
    "int": IntParameter,
    "float": FloatParameter,
    "categorical": CategoricalParameter,
}
_LATER = {
    ("gates",),
    ("proposers",),
    ("reviewers",),
}
_NESTED: dict[Place, type[Table]] = {("scorer", "holdout"): Holdout}
_SETTINGS = {("search_space", "file"), ("search_space", "key")}
_TYPES = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": 'a list, such as ["a", "b"]',
}


def label(place: Place) -> str:
    """A place as it is said: `candidate.paths[1]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{_short(part)}" if text else _short(part)
    return text or "the file"


def _short(name: str) -> str:
    """A name in a message: one line, whatever a quoted key holds."""
    return name if len(name) <= 60 and name.isprintable() else reprlib.repr(name)


class FaultTeller:
    """Tells faults of tables.

    Args:
        tables: Every table of `lab.toml` and the keys that it may hold.
    """

    def __init__(self, tables: Mapping[str, Iterable[str]]) -> None:
        self._tables = {name: list(keys) for name, keys in tables.items()}

    def tell(self, table: str, error: ErrorDetails) -> tuple[Place, str]:
        """Where a fault is, and what is wrong there."""
        place = _place(table, error["loc"])
        kind = error["type"]
        if kind == "extra_forbidden":
            return place, self.unknown(place, _known_of_parameter(error["loc"]) or _known_nested(place))
        if kind == "missing":
            return place, f"the key '{place[-1]}' is missing in [{label(place[:-1])}]"
        if place in _SETTINGS and isinstance(error["input"], dict):
            return place, f"'{place[1]}' cannot be a parameter's name; it is a setting of [search_space]"
        return place, f"{label(place)}: {_message(error)}"

    def unknown(self, place: Place, known: list[str] | None = None) -> str:
        """What to say of a key or table that does not exist.

        Args:
            place: Where it is.
            known: Keys that may stand there, when they are not those of a table.
        """
        key = str(place[-1])
        if place in _LATER:
            return f"this version does not have {label(place)}; remove it"
        if len(place) == 1:
            what, known, mark = f"unknown table or key '{_short(key)}'", list(self._tables), "[{}]"
        else:
            what, mark = f"unknown key '{_short(key)}' in [{label(place[:-1])}]", "'{}'"
            known = known or self._tables.get(str(place[0]), [])
        return f"{what}; {self._advice(key, known, mark)}"

    def _advice(self, key: str, known: list[str], mark: str) -> str:
        homes = [f"[{table}]" for table, keys in self._tables.items() if key in keys]
        if homes:
            return f"it belongs to {' or '.join(homes)}"
        if near := difflib.get_close_matches(key, known, 1):
            return f"did you mean {mark.format(near[0])}?"
        elsewhere = sorted({other for keys in self._tables.values() for other in keys})
        if near := difflib.get_close_matches(key, elsewhere, 1, 0.75):
            home = next(table for table, keys in self._tables.items() if near[0] in keys)
            return f"did you mean '{near[0]}' of [{home}]?"
        return f"known are {', '.join(sorted(known))}"


def _place(table: str, loc: tuple[int | str, ...]) -> Place:
    """The path that pydantic gives, without what is not in the file."""
    if table == "search_space" and loc[:1] == ("parameters",):
        name, rest = loc[1:2], loc[3:]
        return (table, *name, *(part for part in rest if part != "[key]"))
    if table == "candidate" and loc[:1] == ("schemas",):
        # After the output's name comes the tag of its type.
        return (table, *loc[:2], *(part for part in loc[3:] if part != "[key]"))
    open_tables = {("strategy", "settings"), ("services", "tables"), ("tiers", "tables"), ("pools", "tables")}
    if (table, *loc[:1]) in open_tables:
        loc = tuple(part for part in loc[1:] if part != "[key]")
    return (table, *loc)


def _known_of_parameter(loc: tuple[int | str, ...]) -> list[str] | None:
    model = _kinds_of(loc).get(str(loc[2])) if len(loc) > 3 else None
    return [field.alias or name for name, field in model.model_fields.items()] if model else None


def _known_nested(place: Place) -> list[str] | None:
    tables: dict[str, type[Table]] = {"services": Service, "tiers": TierTable, "pools": Pool}
    named = tables.get(str(place[0])) if len(place) == 3 else None
    table = named or _NESTED.get(place[:-1])
    table = table or nested(place[:-1])
    return [field.alias or name for name, field in table.model_fields.items()] if table else None


def _kinds_of(loc: tuple[int | str, ...]) -> Mapping[str, type[Table]]:
    """The tables, by their `type`, that may stand at a place."""
    return {"parameters": _PARAMETERS, "schemas": BY_TYPE}.get(str(loc[0]), {}) if loc else {}


def _message(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    given = reprlib.repr(error["input"])
    if kind == "value_error":
        return str(context["error"])
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, not {given}"
    if kind in {"model_type", "model_attributes_type", "dict_type", "mapping_type"}:
        return f"must be a table, not {given}"
    if kind == "union_tag_not_found":
        return f"the key 'type' is missing; it is one of {', '.join(map(repr, _kinds_of(error['loc'])))}"
    if kind == "union_tag_invalid":
        return _choice(str(context["tag"]), list(_kinds_of(error["loc"])))
    if kind == "literal_error":
        return _choice(error["input"], [part.strip("'") for part in _split(str(context["expected"]))])
    return f"{error['msg'].removeprefix('Input ')}, not {given}"


def _split(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def _choice(given: object, allowed: list[str]) -> str:
    near = difflib.get_close_matches(str(given), allowed, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"must be {' or '.join(repr(word) for word in allowed)}, not {reprlib.repr(given)}{hint}"
