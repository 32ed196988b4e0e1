"""`lab verify`: what was never run, and what git does not hold."""

from collections.abc import Callable
from pathlib import Path

from lab_plugin.lab import Lab
from lab_plugin.verification import verify_idea
from tests.campaign.conftest import Runner, git, lock
from tests.campaign.test_misbehaviour import editing_lab

READS = """
import json, os, pathlib
x = json.loads(pathlib.Path(os.environ["LAB_DATA"]).read_text())
(pathlib.Path(os.environ["LAB_OUTPUTS"]) / "point.json").write_text(json.dumps({"x": x, "y": 1}))
"""


async def test_an_idea_that_was_refused_before_its_trial_agrees(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = editing_lab(make_lab, "pass")
    await lock(folder)
    await run(folder, 1)
    lab = Lab.open(folder)
    rerun = await verify_idea(lab, "1")
    lab.close()
    assert rerun.equal
    assert rerun.found is None
    assert "changes nothing" in rerun.explanation


async def test_another_score_names_the_data_that_changed(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab(replace={'paths   = ["point.json"]': 'paths   = ["point.json"]\ndata = "data.json"'})
    (folder / "data.json").write_text("0.5")
    (folder / "candidate.py").write_text(READS)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Data")
    await lock(folder)
    (record,) = await run(folder, 1)
    lab = Lab.open(folder)
    assert (await verify_idea(lab, "1")).equal
    (folder / "data.json").write_text("1.5")
    rerun = await verify_idea(lab, "1")
    lab.close()
    assert record.value is not None and not rerun.equal
    assert "data file changed: data.json" in rerun.explanation
