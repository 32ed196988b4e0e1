"""A lab with kept ideas in two epochs, made once in a session for all who need one."""

import asyncio
import functools
import shutil
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from tests.campaign.conftest import iterate, lock
from tests.conftest import EXAMPLES, git

NEAR = {
    'x = { type = "float", low = -2.0, high = 2.0 }': 'x = { type = "float", low = 0.9, high = 1.1 }',
    'y = { type = "float", low = -1.0, high = 3.0 }': 'y = { type = "float", low = 0.9, high = 1.1 }',
    'paths   = ["point.json"]': 'paths   = ["point.json"]\ndata = "data.json"',
}
READS = """
import json, os, pathlib
offset = json.loads(pathlib.Path(os.environ["LAB_DATA"]).read_text())
point = json.loads(pathlib.Path("point.json").read_text())
point["x"] += offset
(pathlib.Path(os.environ["LAB_OUTPUTS"]) / "point.json").write_text(json.dumps(point))
"""


@functools.cache
def kept_lab(place: Path, environments: Path) -> Path:
    """A repository: epoch 1 keeps ideas, epoch 2 scores the champion again. Not to be changed.

    Args:
        place: An empty folder may be made here.
        environments: What is known of this interpreter's environment.
    """
    folder, home = place / "kept" / "repo", place / "kept" / "home"
    shutil.copytree(environments, home / "environments")
    shutil.copytree(EXAMPLES / "rosenbrock", folder)
    text = (folder / "lab.toml").read_text()
    for old, new in NEAR.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "lab.toml").write_text(text)
    (folder / "data.json").write_text("0.0")
    (folder / "candidate.py").write_text(READS)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Start")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_LAB_HOME", str(home))
        asyncio.run(lock(folder))
        asyncio.run(_work(folder, 4))
        (folder / "scorer/more.txt").write_text("a comment\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "Another scorer")
        asyncio.run(lock(folder, "a comment"))
    return folder


async def _work(folder: Path, iterations: int) -> None:
    async with open_campaign(Lab.open(folder), Plan({"iterations": iterations})) as campaign:
        async for _ in iterate(campaign):
            pass
