"""The environment of a running campaign: what changes in it is found, and no keep is made of it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.lock_in_force import require_lock
from tests.campaign.conftest import git, iterate, lock

Y = '{ type = "float", low = -1.0, high = 3.0 }'
X = '{ type = "float", low = -2.0, high = 2.0 }'


@pytest.fixture
def drifting(make_lab: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """A lab on an environment of its own, whose first idea is a keep; and a module of that environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    module = next((tmp_path / "venv" / "lib").glob("python*")) / "site-packages" / "helper.py"
    module.write_text("ANSWER = 41\n")
    # The best point is beside the start, and all others are worse: only the first of them can be a keep.
    replace = {X: '{ type = "float", low = 0.9, high = 1.0 }', Y: '{ type = "int", low = 1, high = 1 }'}
    folder = make_lab(replace={**replace, 'name = "tpe"': 'name = "random"'})
    with (folder / "lab.toml").open("a") as stream:
        stream.write(f'\n[sandbox]\npython = "{tmp_path}/venv/bin/python"\n')
    (folder / "point.json").write_text('{"x": -2.0, "y": 1}\n')
    git(folder, "commit", "-aqm", "An environment of its own")
    return folder, module


async def test_a_keep_in_another_environment_stops_with_nothing_half_written(
    drifting: tuple[Path, Path], home: Path
) -> None:
    folder, module = drifting
    await lock(folder)
    lab = Lab.open(folder)
    before, best = lab.ledger.head(), lab.repository.ref(lab.best_ref)
    with pytest.raises(
        LockError, match=r"content\.site-packages/helper\.py(.*\n)+.*in the environment: .*helper"
    ):
        async with open_campaign(Lab.open(folder), Plan({"iterations": 3})) as campaign:
            number = campaign.next_number()
            assert number is not None
            idea = await campaign.propose(number)
            runs = await campaign.execute(idea)
            scores = await campaign.evaluate(idea, runs)
            opened = lab.ledger.head()
            module.write_text("ANSWER = 42\n")
            await campaign.decide(idea, runs, scores)
    assert opened != before
    assert lab.repository.ref(lab.best_ref) == best
    assert not lab.ledger.state().ideas
    assert list(lab.repository.refs(lab.open_prefix).values()) == [idea.commit]
    assert lab.repository.refs("refs/heads/lab/rosenbrock/ideas/") == {}
    # Undone, the idea that stayed open is decided.
    module.write_text("ANSWER = 41\n")
    async with open_campaign(Lab.open(folder), Plan()) as campaign:
        record = [record async for record in iterate(campaign)][0]
    assert (record.number, record.verdict) == (1, "kept")
    lab.close()


async def test_a_change_between_two_trials_ends_the_campaign(
    drifting: tuple[Path, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, module = drifting
    # However long a look takes here, the next one is due.
    monkeypatch.setattr("lab_plugin.scorer._meter._SHARE", 0.0)
    await lock(folder)
    decided = 0
    with pytest.raises(LockError, match=r"environment added: content\.site-packages/other\.py"):
        async with open_campaign(Lab.open(folder), Plan({"iterations": 9})) as campaign:
            async for _ in iterate(campaign):
                decided += 1
                module.with_name("other.py").write_text("")
    assert decided == 1


async def test_a_new_epoch_takes_the_environment_as_it_is(drifting: tuple[Path, Path], home: Path) -> None:
    folder, module = drifting
    await lock(folder)
    module.write_text("ANSWER = 42\n")
    with pytest.raises(
        LockError, match=r"needs a reason\.\n  environment changed: content\.site-packages/helper"
    ):
        await lock(folder)
    await lock(folder, "a better helper")
    lab = Lab.open(folder)
    record, _ = require_lock(lab)
    assert record.epoch == 2
    lab.close()
