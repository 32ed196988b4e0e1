"""How long the candidate keeps a pole up, from starts that it cannot know."""

import json
import math
import os
import random
from pathlib import Path

from lab_candidate import call

STARTS = 4
LONGEST = 100
GRAVITY, POLE, POLE_MASS, CART_MASS, PUSH, TICK = 9.8, 0.5, 0.1, 1.0, 10.0, 0.02


def step(state: dict[str, float], push: float) -> dict[str, float]:
    """The state a tick later, after Barto, Sutton and Anderson (1983)."""
    mass = CART_MASS + POLE_MASS
    sine, cosine = math.sin(state["angle"]), math.cos(state["angle"])
    force = (push + POLE_MASS * POLE * state["turning"] ** 2 * sine) / mass
    turn = (GRAVITY * sine - cosine * force) / (POLE * (4 / 3 - POLE_MASS * cosine**2 / mass))
    thrust = force - POLE_MASS * POLE * turn * cosine / mass
    return {
        "position": state["position"] + TICK * state["speed"],
        "speed": state["speed"] + TICK * thrust,
        "angle": state["angle"] + TICK * state["turning"],
        "turning": state["turning"] + TICK * turn,
    }


def survived(dice: random.Random) -> int:
    """Ticks until the pole falls or the cart leaves the track."""
    state = {name: dice.uniform(-0.05, 0.05) for name in ("position", "speed", "angle", "turning")}
    for tick in range(LONGEST):
        # Whatever comes back is data: anything but 1 or -1 is a fall.
        push = call("act", state)
        if push not in (1, -1):
            return tick
        state = step(state, PUSH * push)
        if abs(state["position"]) > 2.4 or abs(state["angle"]) > 0.2:
            return tick
    return LONGEST


dice = random.Random(int(os.environ["LAB_SEED"]))
ticks = [survived(dice) for _ in range(STARTS)]
scorecard = {
    "metrics": {"steps": sum(ticks) / STARTS, "worst": min(ticks)},
    "samples": [{"id": f"start {number}", "score": value} for number, value in enumerate(ticks)],
    "feedback": f"the pole stayed up for {min(ticks)} to {max(ticks)} of {LONGEST} ticks",
}
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(scorecard))
