"""Titles for points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab_plugin.proposers._space import Value

_TITLE_LENGTH = 60
_VALUE_LENGTH = 20


def describe_points(points: Sequence[Mapping[str, Value]], best: Mapping[str, Value] | None) -> str:
    """A short title: what changes against the best so far, or for a batch, how much of what."""
    if len(points) > 1:
        varied = [name for name in points[0] if len({repr(point[name]) for point in points}) > 1]
        return _cut(f"sweep of {len(points)}:", varied)
    [point] = points
    changed = [
        f"{name}={_short(value)}" for name, value in point.items() if best is None or value != best.get(name)
    ]
    return _cut("", changed)


def _cut(head: str, parts: Sequence[str]) -> str:
    shown: list[str] = []
    for part in parts:
        if shown and len(", ".join([head, *shown, part])) > _TITLE_LENGTH:
            break
        shown.append(part)
    rest = f" and {len(parts) - len(shown)} more" if len(parts) > len(shown) else ""
    return f"{head} {', '.join(shown)}{rest}".strip()


def _short(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + "…"
