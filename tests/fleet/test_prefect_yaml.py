"""`deployments/prefect.yaml`: registered by Prefect, started from the form of its UI, run by a worker."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab_plugin.config import Pool
from lab_plugin.fleet import ensure_pool
from lab_plugin.lab import Lab
from tests import browser
from tests.conftest import git
from tests.fleet.conftest import end
from tests.program import LAB

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

ROOT = Path(__file__).parent.parent.parent
FILE = "deployments/prefect.yaml"
SAID = yaml.safe_load((ROOT / FILE).read_text())["deployments"]
NAMES = {"campaign", "nightly", "iteration", "digest", "watchdog", "trials"}


async def registered(client: PrefectClient, environment: dict[str, str]) -> dict[str, Any]:
    for name in {each["work_pool"]["name"] for each in SAID}:
        await ensure_pool(client, name, Pool())
    command = ["-m", "prefect", "--no-prompt", "deploy", "--prefect-file", FILE, "--all"]
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await done.communicate()
    assert done.returncode == 0, output.decode()
    own = {each["name"] for each in SAID}
    return {each.name: each for each in await client.read_deployments() if each.name in own}


def test_every_deployment_says_where_and_what() -> None:
    assert {each["name"] for each in SAID} >= NAMES
    for each in SAID:
        # Module entrypoints work from a pip install as well as from a clone.
        assert each["entrypoint"].startswith("lab_plugin.flows.")
        assert each["work_pool"]["name"] in ("campaigns", "trials")
    assert {each["name"] for each in SAID if "schedules" in each} == {"nightly", "digest", "watchdog"}


@pytest.fixture
def lab(make_lab: Callable[..., Path], home: Path) -> Path:
    folder = make_lab()
    environment = {**os.environ, "PREFECT_LAB_HOME": str(home)}
    subprocess.run([LAB, "lock"], cwd=folder, env=environment, check=True, capture_output=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Lock")
    return folder


@pytest.fixture
def worker(lab: Path, home: Path, prefect_environment: dict[str, str]) -> Iterator[Path]:
    """A worker of the pool `campaigns`, started in the lab's folder."""
    log = home / "worker.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "campaigns", "--type", "process"],
            cwd=lab,
            env={
                **prefect_environment,
                "PREFECT_LAB_HOME": str(home),
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
            },
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    yield log
    end(process)


async def ended(client: PrefectClient, run: Any) -> FlowRun:
    while True:
        found = await client.read_flow_run(run)
        if found.state is not None and found.state.is_final():
            return found
        await asyncio.sleep(0.5)


@pytest.mark.skipif(
    browser.PROGRAM is None and "LAB_TEST_BROWSER" not in os.environ, reason="there is no Chromium"
)
async def test_a_campaign_is_started_from_the_form_and_run_by_a_worker(
    client: PrefectClient, prefect_environment: dict[str, str], lab: Path, worker: Path, tmp_path: Path
) -> None:
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    first = await registered(client, prefect_environment)
    second = await registered(client, prefect_environment)
    assert first.keys() >= NAMES
    assert {name: each.id for name, each in second.items()} == {name: each.id for name, each in first.items()}

    ui = prefect_environment["PREFECT_API_URL"].removesuffix("/api")
    form = f"{ui}/deployments/deployment/{first['campaign'].id}/run"
    async with browser.open_page(form, tmp_path / "browser") as page:
        await page.text("Folder of the lab, with its lab.toml", "Ideas, in all.", "Iterations at a time.")
        await page.picture(tmp_path / "form.png")
        await page.write(page.field("Iterations"), "2")
        await page.click("[...document.querySelectorAll('button[type=submit]')].at(-1)")
        await page.until("!location.pathname.endsWith('/run')")
        own = DeploymentFilter(id=DeploymentFilterId(any_=[first["campaign"].id]))
        (run,) = await client.read_flow_runs(deployment_filter=own)
        assert run.parameters["budget"] == {"iterations": 2}
        campaign = await ended(client, run.id)
        assert campaign.state is not None and campaign.state.is_completed(), worker.read_text()
        await page.picture(tmp_path / "run.png")
    assert campaign.deployment_id == first["campaign"].id

    # One more idea by itself: a campaign as lab.toml has it, which stays open.
    one = await ended(client, (await client.create_flow_run_from_deployment(first["iteration"].id)).id)
    assert one.state is not None and one.state.is_completed(), worker.read_text()
    opened = Lab.open(lab)
    try:
        state = opened.ledger.state()
        assert sorted(state.ideas) == [1, 2, 3]
        assert state.campaign is not None
        assert (state.campaign.number, state.campaign.spent.iterations) == (2, 1)
    finally:
        opened.close()
