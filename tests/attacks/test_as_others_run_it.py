"""The attacks through the `lab` program with Prefect, and as an ordinary user."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks._attack import OUTPUTS, SERVED
from tests.attacks._judge import of_each_family, playable
from tests.attacks._play import texts, with_controls
from tests.attacks._victim import HONEST_SCORE, make_victim
from tests.attacks._witness import Witness
from tests.program import Cli, document
from tests.sandbox.test_ordinary_user import NOBODY, interpreter

PROJECT = Path(__file__).parents[2]


def test_lab_run_with_prefect(cli: Cli, victim: Path) -> None:
    # Those that people are told something of.
    refused = [one for one in playable(OUTPUTS, "bubblewrap") if "honest" not in one.answers(OUTPUTS)]
    steps = with_controls(of_each_family(refused))
    with Witness() as witness:
        ideas = [texts(step, number, witness.words(number)) for number, step in enumerate(steps, 1)]
        make_victim(victim, OUTPUTS, "bubblewrap", ideas)
        assert document(cli("lock", "--json", cwd=victim))["value"] == HONEST_SCORE
        cli("run", "-n", str(len(steps)), "-j", "2", cwd=victim)
        left = [thing for number in range(1, len(steps) + 1) for thing in witness.found(number)]
    assert left == []
    results = document(cli("results", "--json", cwd=victim))
    assert results["champion"]["value"] == HONEST_SCORE
    assert len(results["ideas"]) == len(steps)
    for step, idea in zip(steps, sorted(results["ideas"], key=lambda idea: idea["number"]), strict=True):
        answers = ("honest",) if step is None else step.answers(OUTPUTS)
        name = step.name if step else "honest idea"
        assert "BREACH" not in idea["reason"], name
        if idea["value"] is None:
            assert idea["verdict"] in answers, (name, idea["reason"])
            assert step is not None and re.search(step.reason, idea["reason"]), (name, idea["reason"])
        else:
            assert (idea["verdict"], idea["value"]) == ("reverted", HONEST_SCORE), name
            assert "honest" in answers, name
    assert document(cli("verify", "--json", cwd=victim))["ok"]


def make_environment(folder: Path) -> None:
    """A virtual environment of an interpreter that others may start, with the packages of this one."""
    python, version = interpreter(), f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(python)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    listed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "all.pth").write_text("\n".join(listed))


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A copy of the project, and an empty folder, that an ordinary user can use."""
    folder = Path(tempfile.mkdtemp(prefix="theirs-"))
    folder.chmod(0o755)
    shutil.copytree(PROJECT / "lab_plugin", folder / "lab_plugin")
    shutil.copytree(Path(__file__).parent, folder / "tests" / "attacks")
    make_environment(folder / "environment")
    (folder / "own").mkdir()
    if os.getuid() == 0:
        os.chown(folder / "own", NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("contract", [OUTPUTS, SERVED])
def test_an_ordinary_user(contract: str, theirs: Path) -> None:
    python = str(theirs / "environment" / "bin" / "python")
    drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    environment = {
        "PYTHONPATH": str(theirs),
        "PATH": os.environ["PATH"],
        "HOME": str(theirs / "own"),
        "TMPDIR": str(theirs / "own"),
    }
    known = subprocess.run([python, "-c", "import pydantic_core"], env=environment, cwd="/", **drop)
    if known.returncode != 0:
        pytest.skip("no ordinary user's interpreter can use the packages of this one")
    done = subprocess.run(
        [python, "-m", "tests.attacks", "play", contract, "bubblewrap"],
        env=environment,
        cwd=theirs / "own",
        capture_output=True,
        text=True,
        timeout=600,
        **drop,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    count, faults = json.loads(done.stdout)
    assert faults == []
    assert count > len(of_each_family(playable(contract, "bubblewrap")))
