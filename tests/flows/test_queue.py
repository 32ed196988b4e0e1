"""The queue by its owner's hands: the CLI from fresh processes, and Cancel in the Prefect UI."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab_plugin.local_api import LocalApi
from tests.cli.test_crashes import start
from tests.conftest import git
from tests.program import Cli, document

SLOW = "\nimport time\nif point['x'] == 0.5:\n    time.sleep(600)\n"


@pytest.fixture
def api(shared_home: Path) -> str:
    with LocalApi(shared_home / "prefect") as local:
        local.start()
        return local.wait()


def post(url: str, **body: Any) -> Any:
    answer = httpx.post(url, json=body, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def reprioritize(api: str, cli: Cli, folder: Path) -> None:
    """Edit the lab's variable, as on the UI's page of variables."""
    named: list[Any] = []
    for _ in range(1200):
        found = post(f"{api}/variables/filter")
        named = [each for each in found if each["name"].startswith("lab_queue_")]
        if named and named[0]["value"]["priorities"] == {"2": 5}:
            break
        time.sleep(0.1)
    (variable,) = named
    value = variable["value"]
    assert (value["paused"], value["held"], value["cancelled"]) == (False, [], [])
    for broken in ({"priorities": {"2": "high"}}, "nonsense"):
        httpx.patch(f"{api}/variables/{variable['id']}", json={"value": broken}, trust_env=False)
    changed = {**value, "priorities": {"2": 9}}
    answer = httpx.patch(f"{api}/variables/{variable['id']}", json={"value": changed}, trust_env=False)
    answer.raise_for_status()
    for _ in range(200):
        rows = document(cli("queue", "--json", cwd=folder))["ideas"]
        if {row["number"]: row["priority"] for row in rows}[2] == 9:
            return
        time.sleep(0.1)
    raise AssertionError("what was changed in the UI is not wished")


def test_the_queue_from_the_terminal_and_the_ui(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], api: str
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "queue"', 'timeout = "10s"': 'timeout = "10m"'})
    with (folder / "candidate.py").open("a") as stream:
        stream.write(SLOW)
    git(folder, "commit", "-qam", "Slow")
    assert "not locked yet" in cli("add", "--param", "x=0.5", cwd=folder, code=1).stderr
    cli("lock", cwd=folder)
    git(folder, "switch", "-qc", "mine")
    (folder / "point.json").write_text('{"x": 1.0, "y": 1.0}\n')
    git(folder, "commit", "-qam", "The very point")
    git(folder, "switch", "-q", "main")

    added = document(cli("add", "--param", "x=0.5", "--title", "Slow one", "--json", cwd=folder))
    assert (added["number"], added["name"], added["state"]) == (1, "0001-slow-one", "queued")
    cli("add", "mine", "--after", "0001-slow-one", "--priority", "3", cwd=folder)
    assert "no parameter 'z'" in cli("add", "--param", "z=1", cwd=folder, code=1).stderr
    cli("add", cwd=folder, code=2)
    assert (
        "given more than once: x" in cli("add", "--param", "x=1", "--param", "x=2", cwd=folder, code=2).stderr
    )
    assert "priority -5" in cli("prioritize", "2", "-5", cwd=folder).stdout
    cli("prioritize", "2", "--nope", cwd=folder, code=2)
    cli("prioritize", "2", "5", cwd=folder)
    cli("pause", "1", cwd=folder)
    cli("pause", cwd=folder)
    shown = document(cli("queue", "--json", cwd=folder))
    assert shown["paused"]
    rows = [(row["number"], row["state"], row["priority"], row["title"]) for row in shown["ideas"]]
    assert rows == [(2, "waits for idea 1", 5, "The very point"), (1, "held", 0, "Slow one")]
    cli("resume", "1", cwd=folder)
    assert "the queue: resumed" in cli("resume", cwd=folder).stdout
    assert "No open idea" in cli("cancel", "9", cwd=folder, code=1).stderr
    assert "from -1000 to 1000" in cli("prioritize", "1", "1001", cwd=folder, code=1).stderr

    run = start(folder, environment, "-n", "2", "-j", "1")
    try:
        for _ in range(600):
            if [row["state"] for row in document(cli("queue", "--json", cwd=folder))["ideas"]][
                0
            ] == "executing":
                break
            assert run.poll() is None
            time.sleep(0.1)
        reprioritize(api, cli, folder)
        runs = post(f"{api}/flow_runs/filter", flow_runs={"name": {"like_": "0001"}})
        (found,) = [each for each in runs if any(tag.startswith("lab:queue-") for tag in each["tags"])]
        # What the UI sends.
        state = {"type": "CANCELLING", "name": "Cancelling"}
        post(f"{api}/flow_runs/{found['id']}/set_state", state=state, force=True)
        assert run.wait(120) == 0
    finally:
        run.kill()
        run.wait()
    ideas = {idea["number"]: idea for idea in document(cli("results", "--json", cwd=folder))["ideas"]}
    assert ideas[1]["verdict"] == "inconclusive" and ideas[1]["value"] is None
    assert ideas[1]["reason"] == "cancelled by the owner in the Prefect UI while executing"
    assert (ideas[2]["value"], ideas[2]["strategy"]) == (0.0, "owner")
    ended = httpx.get(f"{api}/flow_runs/{found['id']}", trust_env=False).json()
    assert ended["state"]["type"] == "CANCELLED" and "cancelled by the owner" in ended["state"]["message"]
    assert document(cli("queue", "--json", cwd=folder))["ideas"] == []
    names = {each["name"] for each in post(f"{api}/variables/filter")}
    assert not any(name.startswith("lab_queue_") for name in names)
    assert "decided already: inconclusive" in cli("cancel", "1", cwd=folder, code=1).stderr
