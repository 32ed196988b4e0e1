"""A lab whose ideas are written down beforehand: what a candidate reports, and how long it takes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git

LAB_TOML = """
[lab]
name = "curves"

[candidate]
paths   = ["point.json"]
command = ["python", "-I", "-S", "candidate.py"]
outputs = ["point.json"]
timeout = "100s"

[scorer]
files   = ["scorer/**"]
command = ["python", "-I", "-S", "scorer/score.py"]
metric  = "value"
goal    = "maximize"

[strategy]
name    = "command"
command = ["python", "-I", "-S", "propose.py"]

{pruning}
"""

PRUNING = """
[pruning]
pruner  = "median"
startup = 2
"""

PROPOSE = """import json, os, pathlib
plan = json.loads(pathlib.Path("plan.json").read_text())
pathlib.Path("point.json").write_text(json.dumps(plan[int(os.environ["LAB_IDEA"]) - 1]))
"""

CANDIDATE = """import json, os, pathlib, subprocess, sys, time
point = json.loads(pathlib.Path("point.json").read_text())
while "gate" in point and not pathlib.Path(point["gate"]).exists():
    time.sleep(0.02)
for step, value in point.get("curve-" + os.environ["LAB_TIER"], point.get("curve", [])):
    print("LAB_CURVE", step, value, flush=True)
if "raw" in point:
    sys.stdout.buffer.write(point["raw"].encode("latin-1"))
    sys.stdout.flush()
for step in range(point.get("flood", 0)):
    print("LAB_CURVE", step, 1.0)
sys.stdout.flush()
if "child" in point:
    subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(90)", point["child"]])
time.sleep(point.get("sleep", 0))
print("the candidate came to its end", flush=True)
(pathlib.Path(os.environ["LAB_OUTPUTS"]) / "point.json").write_text(json.dumps(point))
"""

SCORER = """import json, os, pathlib
point = json.loads((pathlib.Path(os.environ["LAB_OUTPUTS"]) / "point.json").read_text())
card = {"metrics": {"value": point["value"]}}
pathlib.Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(card))
"""

Plan = Sequence[dict[str, Any]]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Make a lab whose ideas are `plan`."""

    def made(plan: Plan, pruning: str = PRUNING, name: str = "repo") -> Path:
        folder = tmp_path / name
        (folder / "scorer").mkdir(parents=True)
        files = {
            "lab.toml": LAB_TOML.format(pruning=pruning),
            "candidate.py": CANDIDATE,
            "propose.py": PROPOSE,
            "plan.json": json.dumps(plan),
            "point.json": json.dumps({"value": 0.0}),
            "scorer/score.py": SCORER,
        }
        for path, text in files.items():
            (folder / path).write_text(text)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "Start")
        return folder

    return made


def rising(top: float, points: int = 5) -> list[tuple[int, float]]:
    """A curve that ends at `top`."""
    return [(step, top * (step + 1) / points) for step in range(points)]
