"""Upkeep never touches what the user stands on, nor what another process works in."""

import asyncio
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.cleaning import clean_lab
from lab_plugin.errors import LabError, RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.merging import merge_champion
from lab_plugin.scratch import scratch, short_parent, sweep_scratch
from tests.campaign.conftest import Runner, git, iterate, lock


async def test_a_checked_out_idea_keeps_its_branch(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    records = await run(folder, 6)
    bad, *others = [record for record in records if record.verdict != "kept"]
    git(folder, "switch", "-q", bad.branch)
    lab = Lab.open(folder)
    assert clean_lab(lab, ideas=True).branches == len(others)
    lab.close()
    assert git(folder, "rev-parse", "HEAD") == bad.commit


@pytest.mark.parametrize("branch", ["lab", "lab/rosenbrock/best", "lab/rosenbrock/ideas/0001-x"])
def test_the_champion_is_never_merged_into_the_lab_itself(
    branch: str, make_lab: Callable[..., Path], home: Path
) -> None:
    lab = Lab.open(make_lab())
    with pytest.raises(RepositoryError, match="branch of the lab itself"):
        merge_champion(lab, branch, create=True)
    lab.close()


async def test_a_keep_does_not_move_a_branch_that_was_checked_out_meanwhile(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    before = git(folder, "rev-parse", "HEAD")
    with pytest.raises(RepositoryError, match="checked out"):
        async with open_campaign(Lab.open(folder), Plan({"iterations": 60})) as campaign:
            git(folder, "switch", "-q", "lab/rosenbrock/best")
            async for record in iterate(campaign):
                assert record.verdict != "kept"
    assert git(folder, "rev-parse", "HEAD") == before
    assert git(folder, "status", "--porcelain", "-uno") == ""


async def test_a_campaign_that_was_stopped_remembers_its_time(
    make_lab: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.campaign._open._TOLD_SECONDS", 0.05)
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"hours": 1.0})) as campaign:
        await asyncio.sleep(0.1)
        campaign.stop("asked")
    lab = Lab.open(folder)
    view = lab.ledger.state().campaign
    lab.close()
    assert view is not None
    assert view.spent.seconds >= 0.1
    assert view.budget["hours"] == 1.0


def test_only_the_folders_of_dead_processes_are_swept(tmp_path: Path) -> None:
    (tmp_path / "scratch-dead").mkdir()
    pid = os.fork()
    if pid == 0:
        held = scratch(tmp_path)
        held.__enter__()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    with scratch(tmp_path) as mine:
        assert len(list(tmp_path.iterdir())) == 3
        sweep_scratch(tmp_path)
        assert list(tmp_path.iterdir()) == [mine]
    assert list(tmp_path.iterdir()) == []


def test_the_short_folder_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = short_parent()
    assert short_parent() == folder and stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with pytest.raises(LabError, match="private"):
        short_parent()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(LabError, match="private"):
        short_parent()
