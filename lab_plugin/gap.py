"""The gap between the metric and the hold-out over an epoch, as a table and a drawing; the owner's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from lab_plugin.ledger import LockRecord, Record, VerdictRecord

_WIDTH, _HEIGHT, _MARGIN = 640, 240, 48
_LONGEST = 500
_SHOWN, _BAR = 50, 20


@dataclass(frozen=True)
class Gap:
    """One sealed scoring.

    Attributes:
        name: `baseline`, or the idea's number.
        public: The metric.
        sealed: The hold-out's value.
    """

    name: str
    public: float
    sealed: float

    @property
    def size(self) -> float:
        """The metric minus the hold-out's value."""
        return self.public - self.sealed


def gaps(records: Iterable[Record], epoch: int) -> list[Gap]:
    """Every sealed scoring of an epoch that has a value, oldest first.

    Args:
        records: Of the ledger, in its order.
        epoch: Values of different epochs are never compared.
    """
    rows: list[Gap] = []
    for record in records:
        if not isinstance(record, LockRecord | VerdictRecord) or record.epoch != epoch:
            continue
        if record.holdout is None or record.holdout.value is None or record.value is None:
            continue
        name = "baseline" if isinstance(record, LockRecord) else f"{record.number:04d}"
        rows.append(Gap(name, record.value, record.holdout.value))
    return rows


def gap_chart(rows: Sequence[Gap], metric: str) -> str:
    """The metric and the hold-out over the looks, as an SVG drawing; "" when there is nothing to draw.

    Args:
        rows: As `gaps` gives them; the newest five hundred are drawn.
        metric: Its name.
    """
    shown = list(rows)[-_LONGEST:]
    if not shown:
        return ""
    values = [value for row in shown for value in (row.public, row.sealed)]
    low, high = min(values), max(values)
    public = _line([row.public for row in shown], low, high, "#1f77b4", metric)
    sealed = _line([row.sealed for row in shown], low, high, "#d62728", "hold-out")
    legend = (
        f'<text x="{_MARGIN}" y="18" fill="#1f77b4">{escape(metric)}</text>'
        f'<text x="{_MARGIN}" y="34" fill="#d62728">hold-out</text>'
    )
    axis = (
        f'<text x="4" y="{_MARGIN + 4}">{high:.4g}</text>'
        f'<text x="4" y="{_HEIGHT - _MARGIN + 4}">{low:.4g}</text>'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 12}">{escape(shown[0].name)}</text>'
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 12}" text-anchor="end">{escape(shown[-1].name)}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>{legend}{axis}{public}{sealed}</svg>\n'
    )


def gap_table(rows: Sequence[Gap], metric: str) -> str:
    """The same as a table in markdown, newest first, with a bar for each gap; "" for no rows.

    Args:
        rows: As `gaps` gives them; the newest fifty are shown.
        metric: Its name.
    """
    shown = list(rows)[: -_SHOWN - 1 : -1]
    if not shown:
        return ""
    widest = max(abs(row.size) for row in shown) or 1.0
    name = metric.replace("|", "\\|")
    lines = [f"| idea | {name} | hold-out | gap | |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.public:.6g} | {row.sealed:.6g} | {row.size:+.6g} | "
        f"{'█' * round(_BAR * abs(row.size) / widest)} |"
        for row in shown
    ]
    return "\n".join(lines) + "\n"


def _line(values: Sequence[float], low: float, high: float, color: str, label: str) -> str:
    span = high - low
    step = (_WIDTH - 2 * _MARGIN) / max(1, len(values) - 1)
    points = [
        (
            _MARGIN + index * step,
            _HEIGHT - _MARGIN - (0.5 if not span else (value - low) / span) * (_HEIGHT - 2 * _MARGIN),
        )
        for index, value in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points)
    title = f"<title>{escape(label)}</title>"
    return f'<g>{title}<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>{dots}</g>'
