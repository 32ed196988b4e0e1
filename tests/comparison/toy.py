"""A lab whose noise is known: every score is a pure function of the parameters and `LAB_SEED`."""

import json
import math
import random
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from tests.conftest import git

BASE: dict[str, Any] = {"gain": 0.0, "name": "base", "trait": ""}

LAB_TOML = """
[lab]
name = "toy"

[candidate]
paths   = ["point.json", "candidate.py"]
command = ["python", "-I", "-S", "candidate.py"]
outputs = ["card.json"]
timeout = "60s"

[scorer]
files   = ["scorer/**"]
command = ["python", "-I", "-S", "scorer/score.py"]
metric  = "{metric}"
goal    = "{goal}"
timeout = "60s"

[sandbox]
kind   = "process"
python = "{python}"

[strategy]
name  = "scripted"
batch = 3
plan  = "{plan}"
edits = {edits}

[search_space]
file  = "point.json"
gain  = {{ type = "float", low = -1000.0, high = 1000.0 }}
name  = {{ type = "categorical", choices = ["base", "other"] }}
trait = {{ type = "categorical", choices = ["", "some"] }}

[budget]
crashes = 100

[decision]
{decision}
"""

# Beside the sandbox, which is none, the candidate sees the world: it logs its runs, and its scores move.
CANDIDATE = """import _random, json, math, os, pathlib, sys, time, zlib
world = pathlib.Path({world!r})
point = json.loads(pathlib.Path("point.json").read_text())
seed, idea, trait = int(os.environ["LAB_SEED"]), os.environ["LAB_IDEA"], point["trait"]
with (world / "runs").open("a") as log:
    log.write(json.dumps([int(idea), point["name"], seed]) + "\\n")
gate = world / ("gate-%s-%d" % (point["name"], seed))
if gate.exists():
    gate.rename(gate.with_name(gate.name.replace("gate", "shut")))
    while not (world / ("open-" + point["name"])).exists():
        time.sleep(0.02)
def noise(kind):
    draw = _random.Random(zlib.crc32(("%s/%s/%d" % (kind, point["name"], seed)).encode()))
    return math.sqrt(-2 * math.log(1 - draw.random())) * math.cos(2 * math.pi * draw.random())
words = dict(word.partition("=")[::2] for word in trait.split())
if seed in [int(part) for part in words.get("crash", "").split(",") if part]:
    sys.exit("no luck with seed %d" % seed)
if (world / "sleep").exists():
    time.sleep(float((world / "sleep").read_text()))
shift = float((world / "shift").read_text()) if (world / "shift").exists() else 0.0
late = int(words.get("from", 0)) <= seed < int(words.get("to", 10**9))
spread = float(words.get("spread", {spread!r})) * late
runs = len((world / "runs").read_text().splitlines())
# What no seed holds: it is another number in every run.
jitter = float(words.get("jitter", 0)) * noise("run %d" % runs)
value = 10 + point["gain"] + shift + spread * noise("value") + jitter
tier = os.environ["LAB_TIER"]
value = float(words.get(tier, value))
with (world / "tiers").open("a") as log:
    log.write("%d %s %d\\n" % (int(idea), tier, seed))
time.sleep(float(words.get("nap", 0)))
if "crash-" + tier in words:
    sys.exit("no luck at " + tier)
card = dict(value=value, cost=100 + float(words.get("cost", 0)) + {cost!r} * noise("cost"), extra=float(seed))
if "poor" in words:
    del card["cost"]
(pathlib.Path(os.environ["LAB_OUTPUTS"]) / "card.json").write_text(json.dumps(card))
"""

SCORER = """import json, os, pathlib
card = json.loads((pathlib.Path(os.environ["LAB_OUTPUTS"]) / "card.json").read_text())
pathlib.Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps({"metrics": card}))
"""

PROPOSER = """
import json
from pathlib import Path
from lab_plugin.proposers import Suggestion


class Scripted:
    name = "scripted"

    def __init__(self, setup):
        self._plan, self.edits = Path(setup.settings["plan"]), setup.settings["edits"]

    async def ask(self, request):
        step = json.loads(self._plan.read_text())[request.number - 1]
        for path, text in step.get("files", {}).items():
            (request.workspace / path).write_text(text)
        return Suggestion(title=step["title"], hypothesis="", points=tuple(step.get("points", ())))

    def tell(self, outcome):
        pass
"""


class Toy:
    """One lab, its world, and what its proposer will say.

    Args:
        folder: Takes the repository, and the world.
        python: Runs candidate and scorer.
        spread: Standard deviation of the metric over seeds.
        cost: The same of the metric `cost`.
        decision: Lines of `[decision]`.
        tiers: Tables `[tiers.NAME]`.
    """

    def __init__(
        self,
        folder: Path,
        python: Path,
        *,
        spread: float = 0.0,
        cost: float = 0.0,
        decision: str = "",
        trait: str = "",
        metric: str = "value",
        goal: str = "maximize",
        edits: bool = False,
        tiers: str = "",
    ) -> None:
        self.folder = folder / "repo"
        self.world = folder / "world"
        self._spread = spread
        (self.folder / "scorer").mkdir(parents=True)
        self.world.mkdir()
        (self.world / "runs").touch()
        text = LAB_TOML.format(
            python=python,
            plan=self.world / "plan",
            decision=decision,
            metric=metric,
            goal=goal,
            edits=str(edits).lower(),
        )
        text += tiers
        (self.folder / "lab.toml").write_text(text)
        self.candidate = CANDIDATE.format(world=str(self.world), spread=spread, cost=cost)
        (self.folder / "candidate.py").write_text(self.candidate)
        (self.folder / "scorer" / "score.py").write_text(SCORER)
        (self.folder / "point.json").write_text(json.dumps({**BASE, "trait": trait}, indent=2) + "\n")
        self.plan()
        git(self.folder, "init", "-q", "-b", "main")
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "-m", "Start")

    def plan(self, *steps: Mapping[str, Any]) -> None:
        """What the proposer says, from idea 1 on."""
        (self.world / "plan").write_text(json.dumps(steps))

    def replace(self, old: str, new: str) -> None:
        """Change `lab.toml`."""
        text = (self.folder / "lab.toml").read_text()
        assert old in text
        (self.folder / "lab.toml").write_text(text.replace(old, new))

    def shift(self, by: float) -> None:
        """Change the machine: every score from now on is higher by so much."""
        (self.world / "shift").write_text(str(by))

    def slow_down(self, seconds: float) -> None:
        """Change the machine: every run from now on takes so much longer."""
        (self.world / "sleep").write_text(str(seconds))

    def shut(self, name: str, seed: int) -> Path:
        """Have a run wait for `open`; the path is there once it waits."""
        (self.world / f"gate-{name}-{seed}").touch()
        return self.world / f"shut-{name}-{seed}"

    def open(self, name: str) -> None:
        """Let a candidate's runs go on."""
        (self.world / f"open-{name}").touch()

    def runs(self, name: str = "") -> list[int]:
        """Seeds of all runs so far, or of one candidate's, in the order in which they began."""
        lines = [json.loads(line) for line in (self.world / "runs").read_text().splitlines()]
        return [seed for _, own, seed in lines if name in ("", own)]

    def visits(self, tier: str) -> list[int]:
        """Ideas in the order in which they ran at a tier; the baseline is left out."""
        lines = [line.split() for line in (self.world / "tiers").read_text().splitlines()]
        return [int(number) for number, at, _ in lines if at == tier and number != "0"]

    def names(self) -> set[str]:
        """All candidates that ran."""
        return {json.loads(line)[1] for line in (self.world / "runs").read_text().splitlines()}

    def value(self, name: str, gain: float, seed: int) -> float:
        """What a candidate scores."""
        return 10 + gain + self._spread * noise("value", name, seed)

    def records(self) -> list[VerdictRecord]:
        """All verdicts."""
        lab = Lab.open(self.folder)
        try:
            return list(lab.ledger.state().ideas.values())
        finally:
            lab.close()


def idea(name: str, gain: float = 0.0, trait: str = "") -> dict[str, Any]:
    """A step of the plan: one point."""
    return batch(name, (name, gain, trait))


def batch(title: str, *points: tuple[str, float, str]) -> dict[str, Any]:
    """A step of the plan: several points."""
    return {
        "title": title,
        "points": [{"gain": gain, "name": name, "trait": trait} for name, gain, trait in points],
    }


def noise(kind: str, name: str, seed: int) -> float:
    """The same as in the candidate: a standard normal number."""
    draw = random.Random(zlib.crc32(f"{kind}/{name}/{seed}".encode()))
    return math.sqrt(-2 * math.log(1 - draw.random())) * math.cos(2 * math.pi * draw.random())
