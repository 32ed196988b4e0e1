"""The servers of `deployments/compose.yaml`, without containers: a campaign loses nothing on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.local_api import healthy
from tests.conftest import git
from tests.program import LAB
from tests.up.conftest import wait_until
from tests.up.production import Production, postgres
from tests.up.production import production as running_production

IDEAS = 6
MARK = "LAB_TEST_PRODUCTION"

pytestmark = pytest.mark.skipif(
    os.environ.get(MARK) != "1" and not (postgres("initdb") and shutil.which("redis-server")),
    reason=f"PostgreSQL and Redis are not installed; {MARK}=1 insists on them",
)


@pytest.fixture
def production() -> Iterator[Production]:
    with running_production() as stack:
        yield stack


def test_a_campaign_outlives_its_servers(
    production: Production, make_lab: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    for name in ("server", "services"):
        production.start(name)
    wait_until(lambda: healthy(production.api), "the server answers")
    wait_until(production.mlflow_answers, "MLflow answers")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{production.api}/admin/version")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{production.mlflow}/version")

    production.schedule()
    folder = make_lab()
    program = folder / "candidate.py"
    program.write_text("import time\ntime.sleep(0.3)\n" + program.read_text())
    git(folder, "commit", "-qam", "Take a moment")
    worker = production.services["worker"]["environment"]
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PREFECT_API_URL": production.api,
        "PREFECT_API_AUTH_STRING": worker["PREFECT_API_AUTH_STRING"],
        "MLFLOW_TRACKING_URI": production.mlflow,
        "MLFLOW_TRACKING_USERNAME": worker["MLFLOW_TRACKING_USERNAME"],
        "MLFLOW_TRACKING_PASSWORD": worker["MLFLOW_TRACKING_PASSWORD"],
    }

    def lab(*arguments: str) -> str:
        done = subprocess.run([LAB, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ideas() -> int:
        return len(git(folder, "for-each-ref", "refs/heads/lab/*/ideas/**").splitlines())

    lab("lock")
    production.kill("mlflow")
    with (tmp_path / "run.log").open("w") as log:
        command = [LAB, "run", "-n", str(IDEAS), "--json"]
        campaign = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
    wait_until(lambda: ideas() >= 1 or campaign.poll() is not None, "an idea is decided")
    assert campaign.poll() is None, (tmp_path / "run.log").read_text()
    production.kill("server")
    assert not healthy(production.api)
    production.start("server")
    wait_until(lambda: ideas() >= 3 or campaign.poll() is not None, "the campaign goes on")
    production.start("mlflow")
    out, _ = campaign.communicate()
    assert campaign.returncode == 0, (tmp_path / "run.log").read_text()

    document = json.loads(out)
    assert "Error" not in production.log("services"), production.log("services")
    assert [idea["number"] for idea in document["ideas"]] == list(range(1, IDEAS + 1))
    assert all(idea["verdict"] in ("kept", "reverted") for idea in document["ideas"])
    wait_until(production.mlflow_answers, "MLflow answers again")
    synced = json.loads(lab("sync", "--json"))
    assert synced["failed"] == 0
    again = json.loads(lab("sync", "--json"))
    assert (again["written"], again["failed"]) == (0, 0), "MLflow has all of it"
    assert runs_of(production, environment) == IDEAS
    scheduled = wait_until(production.scheduled, "the schedule has runs")
    assert production.ask("/flow_runs/count") - scheduled >= IDEAS + 1, "and Prefect its runs"


def runs_of(production: Production, environment: dict[str, str]) -> int:
    """Ideas that MLflow shows."""
    program = (
        "import sys\nfrom mlflow import MlflowClient\nclient = MlflowClient(sys.argv[1])\n"
        "ids = [each.experiment_id for each in client.search_experiments()]\n"
        "found = client.search_runs(ids, max_results=1000)\n"
        "print(len([run for run in found if run.data.tags.get('lab.verdict') in ('kept', 'reverted')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, production.mlflow], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
