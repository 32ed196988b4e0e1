"""Labs with a hold-out: Rosenbrock's valley in public, and sealed one whose minimum lies elsewhere."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from lab_plugin.campaign import Campaign, Interrupted
from lab_plugin.ledger import VerdictRecord
from tests.conftest import git

SealedLab = Callable[..., Path]
TABLE = """
[scorer.holdout]
files   = ["sealed/**"]
command = ["python", "-I", "-S", "sealed/score.py"]
"""
# It reads its own file, the public scorer's, and the same outputs; and it says which tier it is told of.
SCORE = """
import json, os
from pathlib import Path
assert Path("scorer/score.py").is_file()
assert os.environ["LAB_TIER"] == "holdout"
center = json.loads(Path("sealed/center.json").read_text())
point = json.loads((Path(os.environ["LAB_OUTPUTS"]) / "point.json").read_text())
value = (point["x"] - center[0]) ** 2 + (point["y"] - center[1]) ** 2
print("SEALED-STDOUT")
card = {"metrics": {"value": value}, "feedback": "SEALED-FEEDBACK"}
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(card))
"""
X = '{ type = "float", low = -2.0, high = 2.0 }'
Y = '{ type = "float", low = -1.0, high = 3.0 }'


@pytest.fixture
def sealed_lab(make_lab: Callable[..., Path]) -> SealedLab:
    def make(
        table: str = TABLE,
        xs: Sequence[float] = (0.5,),
        center: tuple[float, float] = (0.0, 0.0),
        score: str = SCORE,
        name: str = "repo",
    ) -> Path:
        """A lab whose ideas are the given values of x, with y = 1 and 0 as the baseline's x."""
        space = {
            X: f'{{ type = "categorical", choices = {list(xs)} }}',
            Y: '{ type = "int", low = 1, high = 1 }',
        }
        space |= {'name = "tpe"': 'name = "random"'}
        folder = make_lab(replace=space, name=name)
        (folder / "lab.toml").write_text((folder / "lab.toml").read_text() + table)
        (folder / "point.json").write_text('{"x": 0.0, "y": 1}\n')
        (folder / "sealed").mkdir()
        (folder / "sealed" / "score.py").write_text(score)
        (folder / "sealed" / "center.json").write_text(f"{list(center)}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Seal")
        return folder

    return make


async def decide_all(campaign: Campaign) -> AsyncIterator[VerdictRecord]:
    while (number := campaign.next_number()) is not None:
        try:
            idea = await campaign.propose(number)
        except Interrupted:
            return
        runs = await campaign.execute(idea)
        yield await campaign.decide(idea, runs, await campaign.evaluate(idea, runs))
