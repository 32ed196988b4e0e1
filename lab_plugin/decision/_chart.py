"""A comparison as a small chart: an SVG of its own, without scripts, fonts or links."""

from __future__ import annotations

from html import escape

from lab_plugin.decision._decision import Decision
from lab_plugin.decision._evidence import Pairs

_WIDTH, _HEIGHT = 420, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 34, 24
_COLOURS = {"keep": "#1a7f37", "revert": "#9a6700", "inconclusive": "#57606a", "continue": "#57606a"}
_FACE = 'font-family="sans-serif" font-size="11" fill="#57606a"'


def draw_comparison(decision: Decision, pairs: Pairs, title: str = "") -> str:
    """Draw the differences repeat by repeat, with the interval of their mean.

    Args:
        decision: What came of them.
        pairs: That it was made from.
        title: Shown above; any text.

    Returns:
        An SVG document.
    """
    shown = decision.statement
    points = [value / 2 for value in pairs.differences()]
    ends = [end / 2 for end in (shown.low, shown.high) if end is not None]
    # Halved, so that the span of finite numbers is finite.
    finite = [value for value in points if abs(value) <= 8e307]
    low, high = min([0.0, *finite, *ends]), max([0.0, *finite, *ends])
    span = high - low

    def y(value: float) -> float:
        part = (min(max(value, low), high) - low) / span if span else 0.5
        return round(_HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM), 1)

    colour = _COLOURS[decision.state]
    right = _WIDTH - _RIGHT
    parts = [_text(_LEFT, 16, title or decision.state, "start", 'font-weight="bold"')]
    if shown.low is not None or shown.high is not None:
        top, bottom = (
            y(high if shown.high is None else shown.high / 2),
            y(low if shown.low is None else shown.low / 2),
        )
        size = max(1.0, round(bottom - top, 1))
        parts.append(
            f'<rect x="{_LEFT}" y="{top}" width="{right - _LEFT}" height="{size}" '
            f'fill="{colour}" opacity="0.15"/>'
        )
    parts.append(_line(y(0.0), right, "#57606a", ' stroke-dasharray="3 3"'))
    if shown.difference is not None:
        parts.append(_line(y(shown.difference / 2), right, colour, ' stroke-width="2"'))
    step = (right - _LEFT) / (len(points) + 1)
    parts += [
        f'<circle cx="{round(_LEFT + step * number, 1)}" cy="{y(value)}" r="3" fill="{colour}"/>'
        for number, value in enumerate(points, start=1)
    ]
    parts += [_text(_LEFT - 6, y(value) + 4, f"{2 * value:.3g}", "end") for value in _ticks(low, high)]
    parts.append(_text(right, _HEIGHT - 6, f"{len(points)} repeats, difference to the champion", "end"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{escape(decision.sentence)}</title>{''.join(parts)}</svg>\n"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Both ends and zero, without those that would overlap it."""
    near = (high - low) / 6
    return [0.0, *(end for end in (low, high) if abs(end) > near)]


def _line(y: float, right: int, colour: str, more: str) -> str:
    return f'<line x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}" stroke="{colour}"{more}/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    clean = "".join(letter for letter in text if letter.isprintable())
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {_FACE} {more}>{escape(clean[:80])}</text>'
