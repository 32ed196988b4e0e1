"""The scorecard: what a scorer writes, taken as hostile bytes and turned into checked values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_plugin.scorer._usage import is_usage
from lab_plugin.strict_json import NotStrict, load_strict

MAX_BYTES = 16 << 20
MAX_METRICS = 1_000
MAX_SAMPLES = 100_000
MAX_NAME = 250
MAX_NOTE = 1_000
MAX_FEEDBACK = 64 << 10
_KEYS = frozenset({"metrics", "samples", "feedback"})


class ScorecardFault(ValueError):
    """The bytes are no scorecard; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One scored sample.

    Attributes:
        id: Its name, unique in the scorecard.
        score: Finite.
        note: What the scorer says of it, for people, and for proposers where `[feedback]` allows it.
    """

    id: str
    score: float
    note: str = ""


@dataclass(frozen=True)
class Scorecard:
    """The typed result of scoring.

    Attributes:
        metrics: Name -> finite value; at least the lab's own metric.
        samples: Per-sample scores; may be empty.
        feedback: Text for the proposer, at most 64 KiB.
    """

    metrics: Mapping[str, float]
    samples: tuple[Sample, ...] = ()
    feedback: str = field(default="", repr=False)


def parse_scorecard(data: bytes, metric: str) -> Scorecard:
    """Read a scorecard.

    Args:
        data: The file's bytes.
        metric: The metric that must be there, unless the host measures it.

    Raises:
        ScorecardFault: It is too large, no JSON, has duplicate or unknown keys, a value that is not a finite
            number (booleans and strings are none), has a metric that only the host may measure, or lacks the
            metric.
    """
    document = _decode(data)
    if not isinstance(document, dict):
        raise ScorecardFault("the scorecard is not a JSON object")
    if unknown := sorted(set(document) - _KEYS):
        raise ScorecardFault(f"the scorecard has unknown keys: {', '.join(map(repr, unknown[:5]))}")
    metrics = _metrics(document.get("metrics"))
    if metric not in metrics and not is_usage(metric):
        known = ", ".join(map(repr, list(metrics)[:5])) or "none"
        raise ScorecardFault(f"the metric {metric!r} is missing from the scorecard (it has {known})")
    return Scorecard(metrics, _samples(document.get("samples", [])), _feedback(document.get("feedback", "")))


def _decode(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise ScorecardFault(f"the scorecard is larger than {MAX_BYTES >> 20} MiB")
    try:
        return load_strict(data.decode("utf-8"))
    except NotStrict as error:
        raise ScorecardFault(f"the scorecard {error}") from None
    except RecursionError:
        raise ScorecardFault("the scorecard is nested too deeply") from None
    except ValueError as error:
        raise ScorecardFault(f"the scorecard is not JSON: {str(error)[:200]}") from None


def _metrics(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ScorecardFault("the scorecard has no object 'metrics'")
    if len(value) > MAX_METRICS:
        raise ScorecardFault(f"the scorecard has more than {MAX_METRICS} metrics")
    for name in value:
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise ScorecardFault(f"the metric name {name[:40]!r} is empty, too long or not printable")
        if is_usage(name):
            raise ScorecardFault(f"the metric {name[:40]!r} is measured by the host, and no scorer's to give")
    return {name: _number(number, f"the metric {name!r}") for name, number in value.items()}


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = {bool: "a boolean", str: "a string", type(None): "null"}.get(type(value), "no number")
        raise ScorecardFault(f"{what} is {kind}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ScorecardFault(f"{what} is not finite")
    return number


def _samples(value: Any) -> tuple[Sample, ...]:
    if not isinstance(value, list):
        raise ScorecardFault("'samples' is not a list")
    if len(value) > MAX_SAMPLES:
        raise ScorecardFault(f"the scorecard has more than {MAX_SAMPLES} samples")
    samples = tuple(_sample(item) for item in value)
    if len({sample.id for sample in samples}) != len(samples):
        raise ScorecardFault("two samples have the same id")
    return samples


def _sample(item: Any) -> Sample:
    if not isinstance(item, dict) or item.keys() - {"note"} != {"id", "score"}:
        raise ScorecardFault("a sample is not an object with 'id' and 'score', and perhaps 'note'")
    name = item["id"]
    if not isinstance(name, str) or not name or len(name) > MAX_NAME or not name.isprintable():
        raise ScorecardFault("a sample's id is not a short printable string")
    note = item.get("note", "")
    if not isinstance(note, str) or len(note) > MAX_NOTE or not note.isprintable():
        raise ScorecardFault(f"the note of sample {name[:40]!r} is not a short printable string")
    return Sample(name, _number(item["score"], f"the score of sample {name!r}"), note)


def _feedback(value: Any) -> str:
    if not isinstance(value, str):
        raise ScorecardFault("'feedback' is not a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ScorecardFault("'feedback' is not valid Unicode")
    if len(value) > MAX_FEEDBACK:
        raise ScorecardFault(f"'feedback' is longer than {MAX_FEEDBACK >> 10} KiB")
    return value
