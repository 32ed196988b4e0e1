"""Names and values in the form that MLflow takes, so that no record is ever refused for its form."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

IDENTITY = "lab.id"
"""The experiment tag that says whose it is."""

CURSOR = "lab.mirrored"
"""The experiment tag with the ledger commit up to which all is mirrored."""

MAX_METRICS = 500
MAX_PARAMS = 100
_MAX_NAME = 240
_MAX_PARAM = 500
_MAX_TAG = 5000
_Value = TypeVar("_Value")
_REFUSED = re.compile(r"[^/\w.\- :]")


def entity_name(name: str) -> str:
    """A name for a metric or a parameter, as near to the given one as MLflow allows."""
    parts = (part.strip() for part in _REFUSED.sub("_", name).split("/"))
    kept = "/".join(part for part in parts if part not in ("", ".", ".."))
    return kept[:_MAX_NAME].rstrip("/ ") or "_"


def clean(text: str, limit: int = _MAX_TAG) -> str:
    """Text that every store can hold: valid UTF-8, without NUL, cut with an ellipsis."""
    whole = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Tags as text; those without a value are left out."""
    return {key: clean(str(value)) for key, value in values.items() if value not in (None, "")}


def params(values: Mapping[str, object]) -> dict[str, str]:
    """The first hundred parameters as text: strings as they are, the rest as JSON."""
    named = _unique((str(key), value) for key, value in values.items())
    return {key: clean(_plain(value), _MAX_PARAM) for key, value in list(named.items())[:MAX_PARAMS]}


def metrics(pairs: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Finite metrics only; of two that come to have the same name the later one gets a number."""
    finite = ((key, float(value)) for key, value in pairs if value is not None and math.isfinite(value))
    return dict(list(_unique(finite).items())[:MAX_METRICS])


def _unique(pairs: Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    named: dict[str, _Value] = {}
    for name, value in pairs:
        wanted = candidate = entity_name(name)
        count = 1
        while candidate in named:
            count += 1
            candidate = f"{wanted}_{count}"
        named[candidate] = value
    return named


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
