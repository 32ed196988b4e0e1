"""A comparison as people see it: a table of figures, its pairs, and a small chart."""

from __future__ import annotations

import base64
from typing import Literal

from lab_plugin.decision import Decision, Pairs, Statement, draw_comparison
from lab_plugin.ledger import Comparison, VerdictRecord

CHART = "comparison.svg"
"""Name of the chart as a file."""
_STATES: dict[str, Literal["keep", "revert", "inconclusive"]] = {
    "kept": "keep",
    "reverted": "revert",
    "inconclusive": "inconclusive",
}
_SHOWN = 50


def has_chart(record: VerdictRecord) -> bool:
    """Whether a verdict was made from more than one glance."""
    found = record.comparison
    return found is not None and (len(found.seeds) > 1 or found.evidence is not None)


def comparison_lines(record: VerdictRecord, metric: str, chart: str) -> list[str]:
    """Lines of markdown about a comparison; none where two numbers say it all.

    Args:
        record: The verdict.
        metric: The lab's.
        chart: Address of the chart; "" for none.
    """
    found = record.comparison
    if found is None or not has_chart(record):
        return []
    lines = ["", "## Comparison", "", *([f"![difference, repeat by repeat]({chart})", ""] if chart else [])]
    lines += ["| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _figures(found) if value]
    lines += ["", "| seed | idea | champion | difference |", "|---|---|---|---|"]
    pairs = list(zip(found.seeds, found.candidate[metric], found.against[metric], strict=True))
    lines += [
        f"| {seed} | {ours:.6g} | {theirs:.6g} | {ours - theirs:+.6g} |"
        for seed, ours, theirs in pairs[:_SHOWN]
    ]
    return lines


def draw(record: VerdictRecord, metric: str) -> str:
    """The chart of a verdict that has one, as an SVG document."""
    found = record.comparison
    assert found is not None
    statement = Statement(
        difference=found.difference,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        repeats=len(found.seeds),
    )
    state = _STATES.get(record.verdict, "revert")
    decision = Decision(state=state, reason=record.reason, statement=statement)
    pairs = Pairs(found.candidate[metric], found.against[metric])
    return draw_comparison(decision, pairs, f"{record.number:04d} {record.verdict}: {metric}")


def as_address(svg: str) -> str:
    """A chart as an address that holds it, for pages that have no files."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _figures(found: Comparison) -> list[tuple[str, str]]:
    ends = [None if end is None else f"{end:+.4g}" for end in (found.low, found.high)]
    interval = f"{ends[0] or '-inf'} to {ends[1] or 'inf'}" if any(ends) else ""
    confidence = "" if found.confidence is None else f"{100 * found.confidence:.4g} % "
    return [
        ("champion", f"idea {found.champion}" if found.champion else "the baseline"),
        ("mean difference", _signed(found.difference)),
        (f"{confidence}interval", interval),
        ("corrected for its selection", _signed(found.corrected)),
        ("repeats", str(len(found.seeds))),
        ("samples", str(found.samples or "")),
        ("evidence", _power(found.evidence)),
        ("evidence needed", _power(found.needed)),
        ("error spent", f"{found.error_spent:.3g}" if found.error_spent else ""),
    ]


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.6g}"


def _power(log: float | None) -> str:
    """A factor given as a natural logarithm, which may be too large for a float."""
    return "" if log is None else f"10^{log / 2.302585092994046:.2f}"
