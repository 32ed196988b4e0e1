"""What the Prefect API holds after a campaign, read over its own HTTP interface."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab_plugin.local_api import LocalApi
from tests.cli.test_crashes import finish, slow, start, wait_for_ideas
from tests.conftest import git
from tests.program import Cli, document


@pytest.fixture
def ask(shared_home: Path) -> Callable[..., Any]:
    with LocalApi(shared_home / "prefect") as api:
        api.start()
        url = api.wait()

    def post(path: str, **filters: Any) -> Any:
        answer = httpx.post(f"{url}/{path}/filter", json={"limit": 200, **filters}, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    return post


def test_runs_states_logs_and_artifacts(
    cli: Cli, make_lab: Callable[..., Path], ask: Callable[..., Any]
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "in-prefect"'})
    text = (folder / "candidate.py").read_text()
    (folder / "candidate.py").write_text(text + 'print("hello from the candidate \\x1b[31m")\n')
    git(folder, "commit", "-qam", "Speak")
    cli("lock", cwd=folder)
    ideas = document(cli("run", "-n", "4", "-j", "2", "--json", cwd=folder))["ideas"]

    runs = ask("flow_runs", flow_runs={"name": {"like_": "%"}}, sort="START_TIME_DESC")
    runs = [run for run in runs if any(tag.startswith("lab:in-prefect-") for tag in run["tags"])]
    campaigns = [run for run in runs if run["name"] == "in-prefect campaign 1"]
    assert len(campaigns) == 1
    assert campaigns[0]["state"]["type"] == "COMPLETED"
    assert "campaign:1" in campaigns[0]["tags"]
    iterations = {run["name"].split()[0]: run for run in runs if run not in campaigns}
    assert sorted(iterations) == ["0001", "0002", "0003", "0004"]
    for idea in ideas:
        run = iterations[f"{idea['number']:04d}"]
        assert idea["verdict"] in run["name"]
        assert run["state"]["name"] == idea["verdict"].capitalize()
        assert run["state"]["type"] == "COMPLETED"
        assert idea["reason"] in run["state"]["message"]
        assert "campaign:1" in run["tags"]
        logs = ask("logs", logs={"flow_run_id": {"any_": [run["id"]]}})
        messages = "\n".join(log["message"] for log in logs)
        assert "hello from the candidate" in messages
        assert "\x1b" not in messages
        (report,) = ask("artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
        assert report["type"] == "markdown"
        assert report["key"] == f"in-prefect-idea-{idea['number']:04d}"
        assert "```diff" in report["data"]
    found = ask("artifacts", artifacts={"flow_run_id": {"any_": [campaigns[0]["id"]]}})
    kept = any(idea["verdict"] == "kept" for idea in ideas)
    confirmation = {"markdown"} if kept else set()
    assert {artifact["type"] for artifact in found} == {"table", "progress"} | confirmation


def test_task_runs_are_the_steps(cli: Cli, make_lab: Callable[..., Path], ask: Callable[..., Any]) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "four-steps"'})
    cli("lock", cwd=folder)
    (idea,) = document(cli("run", "-n", "1", "--json", cwd=folder))["ideas"]
    # What would be kept is seen on a second seed, whatever the first said.
    steps = ["decide", "evaluate", "execute", "propose"]
    wanted = ["compare", *steps] if idea["repeats"] > 1 else steps
    runs = ask("flow_runs", flow_runs={"name": {"like_": "0001"}})
    (run,) = [run for run in runs if any(tag.startswith("lab:four-steps-") for tag in run["tags"])]
    # The API writes task runs a little later than it answers.
    names: list[str] = []
    for _ in range(480):
        tasks = ask("task_runs", flow_runs={"id": {"any_": [run["id"]]}})
        names = sorted(task["name"].rsplit("-", 1)[0] for task in tasks)
        if len(names) >= len(wanted):
            break
        time.sleep(0.25)
    assert names == wanted


def test_a_killed_campaign_leaves_no_run_running(
    cli: Cli, make_lab: Callable[..., Path], ask: Callable[..., Any], environment: dict[str, str]
) -> None:
    folder = slow(make_lab, cli)
    process = start(folder, environment)
    wait_for_ideas(folder, 1, process)
    process.kill()
    process.communicate()
    finish(cli, folder)
    running = ask("flow_runs", flow_runs={"state": {"type": {"any_": ["RUNNING", "PENDING"]}}})
    assert running == []


def test_a_broken_store_never_stops_a_campaign(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = make_lab()
    cli("lock", cwd=folder)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database" * 100)
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{broken}"
    assert len(document(cli("run", "-n", "2", "--json", cwd=folder))["ideas"]) == 2
    assert "MLflow" in cli("sync", cwd=folder, code=1).stderr
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(broken).execute("SELECT 1 FROM sqlite_master")
    del environment["MLFLOW_TRACKING_URI"]
    assert document(cli("sync", "--json", cwd=folder))["failed"] == 0
