"""Score a point on Rosenbrock's function, whose minimum is 0 at (1, 1).

Rosenbrock, H. H. (1960). An automatic method for finding the greatest or least value of a function.
The Computer Journal 3(3), 175-184.
"""

import json
import math
import os
from pathlib import Path

point = json.loads((Path(os.environ["LAB_OUTPUTS"]) / "point.json").read_text())
if set(point) != {"x", "y"} or not all(type(value) in (int, float) for value in point.values()):
    raise SystemExit("point.json must hold the two numbers x and y and nothing else")
x, y = float(point["x"]), float(point["y"])
value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
distance = math.hypot(x - 1, y - 1)
feedback = f"{distance:.3f} from the minimum"
scorecard = {"metrics": {"value": value, "distance": distance}, "feedback": feedback}
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(scorecard))
