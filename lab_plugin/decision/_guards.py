"""Guards: limits on secondary metrics, with the same care for noise as the metric itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lab_plugin.decision._chance import mean
from lab_plugin.decision._evidence import Evidence, Goal, Margin, Pairs
from lab_plugin.decision._levels import NOISE_SHARE
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._process import Bets, open_bets
from lab_plugin.decision._rules import Guard, Rules


@dataclass(frozen=True)
class Guards:
    """How all guards stand.

    Attributes:
        broken: The first that is broken, and how; "" for none.
        open: The first that is neither shown to hold nor broken; "" for none.
    """

    broken: str = ""
    open: str = ""


def look_at_guards(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence) -> Guards:
    """Look at all guards.

    An idea passes only when each holds at the confidence of the rules. No correction for their number is
    due: a false pass needs a false answer of the very guard that is broken (intersection-union test; Berger,
    Technometrics 1982).

    Args:
        rules: Theirs, and the confidence.
        noises: Metric -> noise; a metric that is missing here, or deterministic, is compared by its
            mean.
        evidence: All pairs so far.
    """
    broken = opened = ""
    for guard in rules.guards:
        pairs = evidence.metrics[guard.metric]
        state = _look(guard, pairs, noises.get(guard.metric), rules.error)
        if state == "broken" and not broken:
            broken = f"guard {_name(guard)} is broken{_figures(guard, pairs)}"
        if state == "open" and not opened:
            opened = f"guard {_name(guard)} is not shown to hold{_figures(guard, pairs)}"
    return Guards(broken, opened)


def _look(guard: Guard, pairs: Pairs, noise: Noise | None, error: float) -> str:
    room = room_of(guard, pairs)
    if noise is None or noise.deterministic:
        return "holds" if math.fsum(value / len(room) for value in room) >= 0 else "broken"
    bets = open_bets(noise, error * NOISE_SHARE)
    needed = -math.log(error * (1 - NOISE_SHARE))
    scaled = bets.scaled(room)
    if not bets.fits(scaled):
        bets = Bets(bets.unit, math.inf)
    if max(bets.trail([-value for value in scaled])) >= needed:
        return "broken"
    return "holds" if not guard.shown or max(bets.trail(scaled)) >= needed else "open"


def room_of(guard: Guard, pairs: Pairs) -> tuple[float, ...]:
    """How far each repeat stays within a guard's limit, in the metric's units; below 0 beyond it."""
    if guard.kind == "at_most":
        return tuple(guard.limit - value for value in pairs.candidate)
    if guard.kind == "at_least":
        return tuple(value - guard.limit for value in pairs.candidate)
    goal: Goal = "minimize" if guard.kind == "may_rise" else "maximize"
    return pairs.excess(goal, Margin(guard.limit, guard.relative), -1)


def _name(guard: Guard) -> str:
    words = guard.kind.replace("_", " ")
    limit = f"{100 * guard.limit:.4g} %" if guard.relative else f"{guard.limit:.6g}"
    return f"{guard.metric!r} ({words} {'by ' if guard.kind.startswith('may') else ''}{limit})"


def _figures(guard: Guard, pairs: Pairs) -> str:
    ours = mean(pairs.candidate)
    if guard.kind.startswith("at"):
        return f" with {ours:.6g}"
    return f" with {ours:.6g} against the champion's {pairs.reference:.6g}"
