"""A campaign as a deployment: a worker clones the repository, and everything else is at the remote."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab_plugin.fleet import DeploymentPlan, ensure_deployment
from lab_plugin.lab import Lab
from tests.campaign.conftest import lock
from tests.conftest import git
from tests.fleet.conftest import client, end, prefect_environment, server
from tests.program import minutes_alone

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

__all__ = ["client", "prefect_environment", "server"]

POOL = "campaigns"


@pytest.fixture
async def bare(
    make_lab: Callable[..., Path],
    prefect_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    environments: Path,
    mlflow_store: Path,
) -> Path:
    """A locked lab in a subfolder, at a remote."""
    home = Path(prefect_environment["PREFECT_LAB_HOME"])
    monkeypatch.setenv("PREFECT_LAB_HOME", str(home))
    shutil.copytree(environments, home / "environments", dirs_exist_ok=True)
    (home / "mlflow").mkdir(exist_ok=True)
    shutil.copy(mlflow_store, home / "mlflow")
    folder = make_lab(replace={"[lab]\n": '[lab]\nremote = "origin"\n'})
    text = (folder / "candidate.py").read_text()
    (folder / "candidate.py").write_text(f"import time\ntime.sleep(0.2)\n{text}")
    git(folder, "commit", "-qam", "Take a moment")
    remote = folder.with_name("remote.git")
    git(folder.parent, "clone", "-q", "--bare", str(folder), str(remote))
    git(folder, "remote", "add", "origin", f"file://{remote}")
    await lock(folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Lock")
    git(folder, "push", "-q", "origin", "main")
    return remote


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_WORKER_PREFETCH_SECONDS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**environment, **quick}, stdout=output, stderr=output, cwd=log.parent
        )
        try:
            yield
        finally:
            end(process)


@pytest.fixture
async def campaigns(
    bare: Path, client: "PrefectClient", prefect_environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """Start a campaign as a deployment's run; a worker is there."""
    from prefect.client.schemas.actions import WorkPoolCreate

    await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
    step = {"prefect.deployments.steps.git_clone": {"repository": f"file://{bare}"}}
    plan = DeploymentPlan(
        "lab_plugin.flows.campaign.campaign", "main", POOL, {"lab": "."}, pull_steps=(step,)
    )
    deployment = await ensure_deployment(client, plan)

    async def start(**parameters: object) -> "FlowRun":
        return await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)

    with worker(dict(prefect_environment), tmp_path / "worker.log"):
        yield start


async def final(client: "PrefectClient", run: "FlowRun", log: Path) -> "FlowRun":
    for _ in range(1200):
        found = await client.read_flow_run(run.id)
        if found.state is not None and found.state.is_final():
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(log.read_text())


def ideas(bare: Path) -> list[str]:
    return git(bare, "for-each-ref", "--format=%(refname)", "refs/heads/lab/rosenbrock/ideas").splitlines()


@minutes_alone
async def test_a_worker_runs_a_campaign_from_a_clone_and_cancel_ends_it_cleanly(
    campaigns: Callable[..., Any], client: "PrefectClient", bare: Path, tmp_path: Path
) -> None:
    from prefect.states import Cancelling

    log = tmp_path / "worker.log"
    run = await campaigns(budget={"iterations": 500}, jobs=2)
    for _ in range(1200):
        if len(ideas(bare)) >= 2:
            break
        state = (await client.read_flow_run(run.id)).state
        assert state is not None and not state.is_final(), (state, log.read_text())
        await asyncio.sleep(0.2)
    tags = (await client.read_flow_run(run.id)).tags
    await client.set_flow_run_state(run.id, Cancelling(), force=True)
    ended = await final(client, run, log)
    assert ended.state is not None and ended.state.is_cancelled(), (ended.state, log.read_text())
    # It has let go, and what it decided is there.
    for _ in range(300):
        if not git(bare, "for-each-ref", "refs/lab/rosenbrock/lease"):
            break
        await asyncio.sleep(0.1)
    assert not git(bare, "for-each-ref", "refs/lab/rosenbrock/lease"), log.read_text()
    done = len(ideas(bare))
    # Two were under way: both go on.
    again = await campaigns(budget={"iterations": done + 2})
    ended = await final(client, again, log)
    assert ended.state is not None and ended.state.is_completed(), (ended.state, log.read_text())
    assert len(ideas(bare)) == done + 2
    assert not git(bare, "for-each-ref", "refs/lab/rosenbrock/open")
    lab = Lab.open(bare.with_name("repo"))
    assert {"lab", lab.tag} <= {*tags} and any(tag.startswith("lab-owner:") for tag in tags)
    lab.close()
