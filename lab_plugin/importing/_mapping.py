"""From a record with names of its own to a row: which column is what."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_plugin.importing._limits import METRICS, NAME, PARAMS, TEXT, TITLE
from lab_plugin.importing._objects import parse_object
from lab_plugin.importing._row import WORDS, BadRow, Row, make_row
from lab_plugin.proposers import clean_line

_TITLES = ("description", "title", "notes", "note", "hypothesis", "summary")
_COMMITS = ("commit", "commit_sha", "sha", "git_commit")
_NAMES = ("experiment_id", "experiment_file", "id", "run_id", "name", "tag", "number", "trial")
_STATUS = ("status", "kept", "verdict", "state", "action")
_PARAMS = ("params", "parameters", "hyperparameters", "config")
_BOOKKEEPING = frozenset((*_TITLES, *_COMMITS, *_NAMES, *_STATUS, *_PARAMS, "metrics", "line"))
_SAYING = ("title", "commit", "status", "params")
_PREFIXES = ("params.", "params_", "param.")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_NONE = frozenset(("", "-", "none", "null", "n/a", "na"))
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass
class Mapper:
    """Makes rows of records.

    Attributes:
        metric: The column or key that holds the values.
        space: Names of the lab's parameters: a column of that name is one.
        redact: Takes secrets out of texts.
        found: A record had the metric.
        names: Names that records had; told when none had the metric.
    """

    metric: str
    space: Collection[str] = ()
    redact: Callable[[str], str] = str
    found: bool = False
    names: dict[str, None] = field(default_factory=dict)

    def row(self, line: int, record: Mapping[str, Any]) -> Row | BadRow:
        """The row of a record, or what is wrong with it.

        Args:
            line: Where it stands.
            record: Cells by column, or values by key.
        """
        if len(self.names) < METRICS:
            self.names.update(dict.fromkeys(record))
        try:
            return self._row(line, record)
        except ValueError as error:
            return BadRow(line, str(error))

    def _row(self, line: int, record: Mapping[str, Any]) -> Row | BadRow:
        nested = _nested(record, ("metrics",))
        self.found = self.found or self.metric in record or self.metric in nested
        return self.structured(
            line,
            name=self._text(record, _NAMES, NAME),
            commit=self._text(record, _COMMITS, NAME),
            title=self._text(record, _TITLES, TITLE),
            status=self._text(record, _STATUS, NAME),
            value=record.get(self.metric, nested.get(self.metric)),
            metrics=self._further(record, nested),
            params=self._parameters(record),
        )

    def structured(
        self,
        line: int,
        *,
        name: str = "",
        commit: str = "",
        title: str = "",
        status: str = "",
        value: Any = None,
        metrics: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Row | BadRow:
        """The row of parts that are told apart already; arguments as the fields of `Row`, of any type."""
        try:
            word = WORDS.get(status.lower(), "")
            # Such systems write 0 for what crashed, the best value of all where lower is better.
            failed = word == "crash"
            fields: dict[str, Any] = {
                "name": clean_line(self.redact(name), NAME),
                "commit": commit if _COMMIT.fullmatch(commit) else "",
                "title": clean_line(self.redact(title), TITLE),
                "status": word,
                "value": None if failed else _value(self.metric, value),
                "metrics": {} if failed else _metrics(metrics or {}),
                "params": self._scalars(params or {}),
            }
        except ValueError as error:
            return BadRow(line, str(error))
        says = fields["value"] is not None or any(fields[each] for each in _SAYING)
        if not says:
            return BadRow(line, "it says nothing: no value, no parameters, no text")
        return make_row(line, fields)

    def _text(self, record: Mapping[str, Any], names: Iterable[str], length: int) -> str:
        for name in names:
            value = record.get(name)
            if name != self.metric and isinstance(value, bool | int | float | str) and value != "":
                text = str(value).lower() if isinstance(value, bool) else str(value)
                return clean_line(self.redact(text), length)
        return ""

    def _parameters(self, record: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(_nested(record, [name for name in _PARAMS if name != self.metric]))
        for name, value in record.items():
            bare = next((name.removeprefix(each) for each in _PREFIXES if name.startswith(each)), "")
            if bare:
                found.setdefault(bare, value)
            elif name in self.space and name != self.metric:
                found.setdefault(name, value)
        return found

    def _scalars(self, params: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
        if len(params) > PARAMS:
            raise ValueError(f"it has {len(params)} parameters, more than {PARAMS}")
        given = {name: value for name, value in params.items() if value not in (None, "")}
        return {clean_line(name, NAME): self._scalar(name, value) for name, value in given.items()}

    def _scalar(self, name: str, value: Any) -> bool | int | float | str:
        if isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"the parameter {name[:100]!r} is {value}, no finite number")
            return value
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        return clean_line(self.redact(text), TEXT)

    def _further(self, record: Mapping[str, Any], nested: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers beside the value."""
        beside = {
            name: value
            for name, value in record.items()
            if name not in _BOOKKEEPING and name not in self.space and not name.startswith(_PREFIXES)
        }
        return {name: value for name, value in {**beside, **nested}.items() if name != self.metric}


def _metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """What is a finite number; the rest is left out."""
    numbers = {clean_line(name, NAME): _number(value) for name, value in values.items()}
    finite = {name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}
    return dict(list(finite.items())[:METRICS])


def _nested(record: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    """An object within a record, as it is or as JSON in a cell."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip().startswith("{"):
            try:
                value = parse_object(value)
            except ValueError as error:
                raise ValueError(f"its {name} cannot be read: {error}") from None
        if isinstance(value, dict):
            return value
    return {}


def _value(metric: str, value: Any) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in _NONE):
        return None
    number = _number(value)
    if number is None:
        if isinstance(value, str) and value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise ValueError(f"{metric} is {value.strip()}, no finite number")
        raise ValueError(f"{metric} is no number: {str(value)[:60]!r}")
    # MLflow stores infinity as the largest number.
    if not math.isfinite(number) or abs(number) > 1.79e308:
        raise ValueError(f"{metric} is {number}, no finite number")
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if len(value) < 400 and _NUMBER.fullmatch(value) else None
    return float(value) if isinstance(value, int | float) else None
