"""What a candidate is told of its parameters is in its tree, whatever of it is searched now."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lab_plugin.check import run_checks
from lab_plugin.errors import LockError, ProposerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.locking import probe_baseline
from tests.campaign.conftest import lock
from tests.conftest import git

Run = Callable[..., Awaitable[list[VerdictRecord]]]

CANDIDATE = """
import json, os, pathlib
told = json.loads(pathlib.Path(os.environ["LAB_PARAMS"]).read_text())
point = {"x": told.get("x", 9.0), "y": told.get("y", 9.0)}
(pathlib.Path(os.environ["LAB_OUTPUTS"]) / "point.json").write_text(json.dumps(point))
"""


@pytest.fixture
async def folder(make_lab: Callable[..., Path], home: Path) -> Path:
    folder = make_lab()
    (folder / "candidate.py").write_text(CANDIDATE)
    (folder / "point.json").write_text('{"x": 1.0, "y": 1.0, "steps": [1, 2], "mode": "fast"}\n')
    git(folder, "commit", "-qam", "Read what is told")
    await lock(folder)
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "lab.toml").read_text()
    assert old in text
    (folder / "lab.toml").write_text(text.replace(old, new))


async def score(folder: Path) -> float | None:
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    try:
        return (await probe_baseline(lab, sandbox, lab.repository.head())).score.value
    finally:
        await sandbox.close()
        lab.close()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = {", 'extra = { type = "float", low = 0.0, high = 1.0 }\nx = {'),
        ("y = { type", "why = { type"),
        ('x = { type = "float", low = -2.0, high = 2.0 }\n', ""),
    ],
    ids=["one more", "another one", "one less"],
)
async def test_a_score_does_not_hang_on_what_is_searched(folder: Path, run: Run, old: str, new: str) -> None:
    champion = Lab.open(folder).ledger.state().champion
    assert champion is not None and champion.value == 0.0
    edit(folder, old, new)
    assert await score(folder) == 0.0
    # The best point there is stays the champion: it is the same for every comparison.
    assert {each.verdict for each in await run(folder, 3)} == {"reverted"}


async def test_where_parameters_are_read_from_is_locked(folder: Path, run: Run) -> None:
    edit(folder, 'file = "point.json"', 'file = "point.json"\nkey = "inner"')
    with pytest.raises(LockError, match=r"parameters\.key"):
        await run(folder, 1)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "tpe"', 'name = "tpee"', ["no strategy 'tpee'", "Did you mean 'tpe'?"]),
        (
            'name = "tpe"',
            'name = "random"\nbacth = 3\nsede = 4',
            ["lab.toml:21: strategy.bacth", 'did you mean "batch"?', "lab.toml:22: strategy.sede", '"seed"?'],
        ),
        (
            'name = "tpe"',
            'name = "command"\ncomand = ["true"]\ntimeuot = "1s"',
            ["lab.toml:21: strategy.comand", '"command"?', "lab.toml:22: strategy.timeuot", '"timeout"?'],
        ),
    ],
    ids=["name", "common", "own"],
)
async def test_a_strategy_that_cannot_be_is_told_with_its_lines(
    folder: Path, run: Run, old: str, new: str, told: list[str]
) -> None:
    edit(folder, old, new)
    with pytest.raises(ProposerError) as caught:
        await run(folder, 1)
    assert all(words in str(caught.value) for words in told), caught.value


async def test_a_check_opens_the_strategy(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab(replace={"x = {": "ecks = {"})
    fine, broken = await run_checks(folder), make_lab(replace={'"tpe"': '"tpee"'}, name="broken")
    assert {each.what: each.detail for each in fine}["strategy"] == (
        "tpe; point.json has no ecks yet, each idea adds it"
    )
    (finding,) = [each for each in await run_checks(broken) if each.what == "strategy"]
    assert not finding.ok and "Did you mean 'tpe'?" in finding.remedy
