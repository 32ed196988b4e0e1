"""Draw the plots of `docs/decisions.md`: `python -m tests.benchmarks.decision_plots`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lab_plugin.decision import (
    ErrorBudget,
    Evidence,
    Noise,
    Pairs,
    Rules,
    decide,
    draw_comparison,
    wald_bounds,
)
from tests.benchmarks.decision_simulation import found, pure_noise

DOCS = Path(__file__).parents[2] / "docs"
RULES = Rules(metric="m", goal="maximize")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 520, 260, 52, 34, 16, 44
HIGH = 24.0
INK, OURS, OTHER = "#57606a", "#1a7f37", "#9a6700"
FACE = f'font-family="sans-serif" font-size="12" fill="{INK}"'
Line = tuple[str, str, list[tuple[float, float]]]


def main() -> None:
    """Write all plots."""
    _write("decisions-power.svg", _power())
    _write("decisions-false.svg", _false())
    _write("decisions-example.svg", _example())


def _power() -> str:
    rng = np.random.default_rng(1)
    effects = [step / 4 for step in range(-8, 17)]
    outcomes = {effect: found(effect, RULES, 4_000, rng) for effect in effects}
    mean = [(effect, float(one.repeats.mean())) for effect, one in outcomes.items()]
    power = [(effect, HIGH * float(one.kept.mean())) for effect, one in outcomes.items()]
    bound = wald_bounds(RULES.error / RULES.tries, 0.1, 1.0)
    wald = [(-1.0, bound.worse), (0.0, bound.equal), (1.0, bound.better)]
    lines = [
        ("mean repeats", OURS, mean),
        ("kept (top: always)", OTHER, power),
        ("Wald's test for 1 sd", INK, wald),
    ]
    return _lines("Repeats that an idea costs, and whether it is kept", "true improvement, sd", lines, HIGH)


def _false() -> str:
    draws = {
        "Gaussian": lambda rng, shape: rng.standard_normal(shape),
        "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
        "exponential": lambda rng, shape: rng.exponential(1, shape),
        "49 of 50 right": lambda rng, shape: rng.binomial(50, 0.98, shape) / 50,
    }
    bars = []
    for name, draw in draws.items():
        held = pure_noise(draw, RULES, 500, np.random.default_rng(2), calibrate=5)
        bars.append((name, held.false, held.greedy))
    return _bars("Campaigns of 200 ideas of pure noise that keep one", bars)


def _example() -> str:
    rng, repeats = np.random.default_rng(6), 0
    candidate, champion = 0.972 + 0.004 * rng.standard_normal(48), 0.966 + 0.004 * rng.standard_normal(48)
    noise = {"m": Noise(sd=0.004, df=4)}
    level = ErrorBudget(RULES.error).level(1)
    while True:
        repeats += 1
        pairs = Pairs(tuple(map(float, candidate[:repeats])), tuple(map(float, champion[:repeats])))
        decision = decide(RULES, noise, Evidence(metrics={"m": pairs}), level)
        if decision.state != "continue":
            return draw_comparison(decision, pairs, f"{decision.state}: {decision.statement.repeats} repeats")


def _lines(title: str, below: str, lines: list[Line], high: float) -> str:
    points = [x for _, _, line in lines for x, _ in line]
    low_x, high_x = min(points), max(points)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - y / high * (HEIGHT - TOP - BOTTOM), 1)

    parts = [_text(LEFT, 20, title, "start"), _text(WIDTH - RIGHT, HEIGHT - 8, below, "end")]
    for tick in range(0, int(high) + 1, 4):
        x, y = place(low_x, tick)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="{INK}" opacity="0.2"/>')
        parts.append(_text(x - 6, y + 4, str(tick), "end"))
    for tick in range(int(low_x), int(high_x) + 1):
        x, y = place(tick, 0)
        parts.append(_text(x, y + 16, str(tick), "middle"))
    for number, (name, colour, line) in enumerate(lines):
        path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(LEFT + 8, TOP + 14 + 16 * number, name, "start", colour))
    return _document(parts)


def _bars(title: str, bars: list[tuple[str, float, float]]) -> str:
    parts = [_text(LEFT, 20, title, "start")]
    tall, step = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / len(bars)
    floor = HEIGHT - BOTTOM
    for part in (0.0, 0.05, 0.5, 1.0):
        y = round(floor - part * tall, 1)
        parts.append(
            f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="{INK}" opacity="0.3"/>'
        )
        parts.append(_text(LEFT - 6, y + 4, f"{100 * part:g} %", "end"))
    for number, (name, ours, greedy) in enumerate(bars):
        left = LEFT + step * number + step / 4
        for beside, (value, colour) in enumerate(((ours, OURS), (greedy, OTHER))):
            size = round(value * tall, 1)
            x = round(left + beside * step / 4, 1)
            wide = round(step / 4 - 4, 1)
            parts.append(f'<rect x="{x}" y="{floor - size}" width="{wide}" height="{size}" fill="{colour}"/>')
        parts.append(_text(round(left + step / 4, 1), floor + 16, name, "middle"))
    parts.append(_text(LEFT, HEIGHT - 8, "significant", "start", OURS))
    parts.append(_text(LEFT + 80, HEIGHT - 8, "greedy", "start", OTHER))
    return _document(parts)


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    face = FACE.replace(INK, colour)
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {face}>{text}</text>'


def _document(parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>\n'
    )


def _write(name: str, text: str) -> None:
    (DOCS / name).write_text(text)
    print(DOCS / name)


if __name__ == "__main__":
    main()
