"""The hold-out where a candidate is questioned: `served` and `in_process`, and both scored again."""

from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.holdout import Looks
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.locking import lock_lab
from lab_plugin.verification import verify_idea, verify_ledger
from tests.conftest import git
from tests.holdout.conftest import decide_all

LAB = """
[lab]
name = "asked"
[candidate]
paths   = ["line.json"]
serve   = "line"
timeout = "20s"
memory  = "256MiB"
[scorer]
contract = "{contract}"
{probe}
files    = ["scorer/**"]
command  = ["python", "scorer/score.py"]
metric   = "error"
goal     = "minimize"
timeout  = "20s"
memory   = "256MiB"
[scorer.holdout]
files   = ["sealed/**"]
command = ["python", "sealed/score.py"]
[strategy]
name = "random"
[search_space]
file  = "line.json"
slope = {{ type = "categorical", choices = [0.5] }}
"""
# The candidate sees the same in both scorings: no sealed file, no sealed tier.
CANDIDATE = """
import json, os, pathlib
names = [str(path) for path in pathlib.Path(".").rglob("*")]
assert os.environ["LAB_TIER"] == "final"
assert not any("sealed" in name or "scorer" in name or "lab.lock" in name for name in names), names
slope = json.loads(pathlib.Path("line.json").read_text())["slope"]

def predict(x):
    return slope * x
"""
PROBE = """
def probe(candidate):
    return [candidate.predict(float(x)) for x in range(4)]
"""
ASKS = """
import json, os
from pathlib import Path
from lab_candidate import call
answers = [call("predict", float(x)) for x in range(4)]
"""
READS = """
import json, os
from pathlib import Path
answers = json.loads((Path(os.environ["LAB_OUTPUTS"]) / "answers.json").read_text())
"""
SCORES = """
assert Path("sealed").exists() is {sealed}
truth = json.loads(Path("{labels}").read_text())
error = sum(abs(answer - truth * x) for x, answer in enumerate(answers))
print("SEALED-STDOUT" if {sealed} else "public")
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps({{"metrics": {{"error": error}}}}))
"""


def questioned(folder: Path, contract: str, sealed_slope: float) -> Path:
    """A lab whose one idea has the slope 0.5, the baseline 0, the public truth 1."""
    opening = ASKS if contract == "served" else READS
    probe = 'probe = "scorer/probe.py"' if contract == "in_process" else ""
    files = {
        "lab.toml": LAB.format(contract=contract, probe=probe),
        "line.json": '{"slope": 0.0}\n',
        "line.py": CANDIDATE,
        "scorer/probe.py": PROBE,
        "scorer/truth.json": "1.0\n",
        "scorer/score.py": opening + SCORES.format(sealed=False, labels="scorer/truth.json"),
        "sealed/truth.json": f"{sealed_slope}\n",
        "sealed/score.py": opening + SCORES.format(sealed=True, labels="sealed/truth.json"),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    return folder


async def campaign(folder: Path) -> list[VerdictRecord]:
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    try:
        await lock_lab(lab, sandbox)
    finally:
        await sandbox.close()
        lab.close()
    async with open_campaign(Lab.open(folder), Plan({"iterations": 5})) as running:
        return [record async for record in decide_all(running)]


@pytest.mark.parametrize(
    ("contract", "sealed_slope", "verdict", "sealed"),
    [("served", 0.0, "reverted", (3.0, 0.0)), ("in_process", 0.75, "kept", (1.5, 4.5))],
)
async def test_a_holdout_under_a_contract_with_questions(
    contract: str, sealed_slope: float, verdict: str, sealed: tuple[float, float], tmp_path: Path, home: Path
) -> None:
    folder = questioned(tmp_path / "repo", contract, sealed_slope)
    (record,) = await campaign(folder)
    assert (record.verdict, record.value, record.champion_value) == (verdict, 3.0, 6.0)
    assert record.reason.endswith("not kept: hold-out guard") is (verdict == "reverted")
    assert record.holdout is not None and record.holdout.counted
    # A sum over x = 0, 1, 2 and 3 of what each slope is off by; the baseline's slope is 0.
    assert (record.holdout.value, record.holdout.champion_value) == sealed
    assert ("separate_process" in record.guarantees) is (contract == "served")

    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    again = await verify_idea(lab, "1")
    assert again.ok and again.holdout is not None
    assert again.holdout.outcome == "equal"
    assert Looks(lab).spent() == 1
    left = [path for path in lab.folder.rglob("*") if path.is_file() and "snapshots" not in path.parts]
    assert not [path for path in left if b"SEALED" in path.read_bytes()]
    lab.close()
