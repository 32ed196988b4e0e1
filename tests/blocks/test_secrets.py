"""The password of a block: it opens MLflow, and stands nowhere else."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from lab_plugin.blocks import MlflowTracking
from lab_plugin.mlflow_app import AUTH_VARIABLE
from lab_plugin.tracking import Store
from tests.conftest import git
from tests.ports import free_port
from tests.program import Cli, document

PASSWORD = "correct-horse-battery-staple"
# As if it had come to know it: the program itself does not hold the whole word.
TELLING = '\nprint("-".join(["correct", "horse", "battery", "staple"]))\n'


@pytest.fixture
def mlflow(mlflow_store: Path, tmp_path: Path) -> Iterator[str]:
    """A real MLflow server that asks for a user and a password."""
    folder = tmp_path / "served"
    folder.mkdir()
    shutil.copy(mlflow_store, folder)
    store = Store.embedded(folder)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "prefect-lab", "--workers", "1"]
    command += ["--backend-store-uri", store.uri, "--artifacts-destination", store.artifacts]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        AUTH_VARIABLE: f"ada:{PASSWORD}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (tmp_path / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 300
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, (
                tmp_path / "mlflow.log"
            ).read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def shown_in_mlflow(url: str) -> str:
    """All that MLflow has of the lab, as JSON."""

    def ask(path: str, **body: object) -> str:
        address = f"{url}/api/2.0/mlflow/{path}/search"
        answer = httpx.post(address, json=body, auth=("ada", PASSWORD), trust_env=False)
        answer.raise_for_status()
        return answer.text

    experiments = ask("experiments", max_results=100)
    found = [each["experiment_id"] for each in json.loads(experiments)["experiments"]]
    return experiments + ask("runs", experiment_ids=found, max_results=100)


def everything(folder: Path, *places: Path) -> Iterator[tuple[str, bytes]]:
    """What git holds, and every file below places but what a candidate itself wrote."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    yield "git", subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    for place in places:
        for path in place.rglob("*"):
            if path.is_file() and not {"trials", ".git"} & set(path.parts):
                yield str(path), path.read_bytes()


def test_a_password_opens_mlflow_and_stands_nowhere(
    api: str, mlflow: str, cli: Cli, make_lab: Callable[..., Path], shared_home: Path, tmp_path: Path
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "secretive"'})
    with (folder / "lab.toml").open("a") as stream:
        stream.write('\n[tracking]\nblock = "mlflow-tracking/secretive"\n')
    with (folder / "candidate.py").open("a") as stream:
        stream.write(TELLING)
    git(folder, "commit", "-qam", "Name a block")

    def save(password: str) -> None:
        block = MlflowTracking(tracking_uri=mlflow, username="ada", password=SecretStr(password))
        block.save("secretive", overwrite=True)

    save("not-the-right-password")
    told = [cli("lock", cwd=folder), cli("sync", cwd=folder, code=1)]
    assert "not-the-right-password" not in told[-1].stderr
    save(PASSWORD)
    told += [cli("run", "-n", "1", "--json", cwd=folder), cli("status", "--json", cwd=folder)]
    assert len(document(told[2])["ideas"]) == 1
    shown = shown_in_mlflow(mlflow)
    assert '"lab.idea"' in shown and "secretive" in shown

    logs = httpx.post(f"{api}/logs/filter", json={"limit": 200, "sort": "TIMESTAMP_DESC"}, trust_env=False)
    messages = "\n".join(log["message"] for log in logs.json())
    assert "[redacted]" in messages, "the candidate's own words are in the log of its iteration"
    places = (folder, tmp_path / "served", *(shared_home / "labs").glob("secretive-*"))
    assert len(places) == 3
    seen = [("MLflow", shown.encode()), ("Prefect", messages.encode()), *everything(folder, *places)]
    seen += [(str(done.args), (done.stdout + done.stderr).encode()) for done in told]
    spellings = [PASSWORD.encode(), base64.b64encode(f"ada:{PASSWORD}".encode())]
    assert [name for name, data in seen if any(spelling in data for spelling in spellings)] == []
    assert any("blocks.json" in name and b"ada" in data for name, data in seen)
