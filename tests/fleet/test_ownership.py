"""Labs with one name and one Prefect API: none overwrites what another deployed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab_plugin.errors import LabError
from lab_plugin.fleet import DeploymentPlan, ensure_deployment, ensure_pool
from tests.campaign.conftest import lock
from tests.conftest import git
from tests.fleet.conftest import deployed

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

CAMPAIGN = "campaign/{}-campaign"


@pytest.fixture
def apart(make_shared: Callable[..., Path], tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Two labs of one name, in repositories that have nothing to do with each other."""

    def make(name: str) -> tuple[Path, Path]:
        first = make_shared(name)
        (tmp_path / name).rename(tmp_path / "first")
        (tmp_path / f"{name}.git").rename(tmp_path / "first.git")
        git(tmp_path / "first", "remote", "set-url", "origin", str(tmp_path / "first.git"))
        return tmp_path / "first" / first.name, make_shared(name)

    return make


async def test_another_lab_of_the_same_name_is_not_overwritten(
    client: PrefectClient, apart: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    first, second = apart("twin")
    await deployed(client, first, schedule="0 1 * * *")
    name = CAMPAIGN.format("twin")
    before = await client.read_deployment_by_name(name)
    with pytest.raises(LabError, match="of another lab with the name twin") as caught:
        await deployed(client, second, pool="other-campaigns", notify="https://hooks.example.org/lab")
    assert str(tmp_path / "first.git") in caught.value.message
    assert f"`prefect deployment delete {name}`" in caught.value.remedy and "[lab]" in caught.value.remedy
    assert await client.read_deployment_by_name(name) == before
    # Nothing else was begun either.
    pools = {pool.name for pool in await client.read_work_pools()}
    assert "other-campaigns" not in pools
    assert not await client.read_automations_by_name("lab twin: keep")
    for flow in ("campaign", "digest", "watchdog"):
        found = await client.read_deployment_by_name(f"{flow}/twin-{flow}")
        await client.delete_deployment(found.id)
    assert (await deployed(client, second)).changed


async def test_one_lab_is_known_again_in_every_clone_and_where_its_remote_moves(
    client: PrefectClient, make_shared: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_shared("moving")
    # Before it is locked, it is known by its remote alone.
    await deployed(client, folder)
    (folder / "lab.lock").unlink()
    await lock(folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Lock")
    git(folder, "push", "-q", "origin", "main")
    assert (await deployed(client, folder)).changed and not (await deployed(client, folder)).changed

    # A fresh clone has no ledger yet, and forgets none.
    git(tmp_path, "clone", "-q", "-b", "main", f"file://{tmp_path}/moving.git", "fresh")
    tags = (await client.read_deployment_by_name(CAMPAIGN.format("moving"))).tags
    await deployed(client, tmp_path / "fresh" / "labs")
    assert set((await client.read_deployment_by_name(CAMPAIGN.format("moving"))).tags) >= set(tags)

    (tmp_path / "moving.git").rename(tmp_path / "moved.git")
    git(folder, "remote", "set-url", "origin", str(tmp_path / "moved.git"))
    done = await deployed(client, folder)
    assert done.repository == str(tmp_path / "moved.git") and done.changed
    assert not (await deployed(client, folder)).changed


async def test_a_deployment_that_does_not_say_whose_it_is_is_taken_over(
    client: PrefectClient, make_shared: Callable[..., Path]
) -> None:
    folder = make_shared("older")
    await ensure_pool(client, "campaigns")
    older = DeploymentPlan("lab_plugin.flows.campaign.campaign", "older-campaign", "campaigns")
    await ensure_deployment(client, older)
    done = {each.name: each.outcome for each in (await deployed(client, folder)).done}
    assert done[CAMPAIGN.format("older")] == "updated"
