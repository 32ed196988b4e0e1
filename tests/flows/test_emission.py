"""A campaign's events, as the Prefect API has them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab_plugin.lab import Lab
from lab_plugin.local_api import LocalApi
from tests.cli.test_crashes import start, wait_for_ideas
from tests.conftest import git
from tests.program import Cli, document

# The last two ideas wait, whatever runs them, until the first process was killed.
HELD = """
import os, pathlib, time
while int(os.environ["LAB_IDEA"]) > 10 and not pathlib.Path({gate!r}).exists():
    time.sleep(0.1)
"""
Events = Callable[[str, Callable[[list[dict[str, Any]]], bool]], list[dict[str, Any]]]


@pytest.fixture
def told(shared_home: Path) -> Events:
    """The events of a resource, oldest first, as soon as they are whole."""
    with LocalApi(shared_home / "prefect") as api:
        api.start()
        url = api.wait()

    def read(resource: str, whole: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(480):
            wanted = {"filter": {"resource": {"id": [resource]}, "order": "ASC"}, "limit": 50}
            answer = httpx.post(f"{url}/events/filter", json=wanted, trust_env=False)
            answer.raise_for_status()
            found = answer.json()["events"]
            if whole(found):
                return found
            time.sleep(0.25)
        raise AssertionError(f"only {[event['event'] for event in found]}")

    return read


def test_a_campaign_tells_its_verdicts_its_budget_and_its_end(
    cli: Cli, make_lab: Callable[..., Path], told: Events, environment: dict[str, str], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    sees = {'timeout = "10s"': 'timeout = "10m"', "[strategy]": '[sandbox]\nkind = "process"\n\n[strategy]'}
    folder = make_lab(replace=sees)
    text = (folder / "candidate.py").read_text()
    (folder / "candidate.py").write_text(HELD.format(gate=str(gate)) + text)
    git(folder, "commit", "-qam", "Wait")
    cli("lock", cwd=folder)
    lab = Lab.open(folder)
    resource = f"prefect-lab.lab.{lab.name}-{lab.identity}"
    lab.close()

    process = start(folder, environment, "-n", "12", "--plateau", "1000")
    wait_for_ideas(folder, 10, process)
    # What a process has not sent yet dies with it.
    told(resource, lambda events: any(event["event"] == "lab.campaign.opened" for event in events))
    process.kill()
    process.communicate()
    gate.touch()
    ideas = document(cli("run", "--json", cwd=folder))["ideas"]

    def whole(events: list[dict[str, Any]]) -> bool:
        return any(event["event"] == "lab.campaign.ended" for event in events)

    events = told(resource, whole)
    names = [event["event"] for event in events]
    # The first process told it, or the second, and never both.
    assert names.count("lab.budget") == 1
    assert names.count("lab.plateau") == 0
    assert names.count("lab.campaign.opened") == 2
    ended = events[names.index("lab.campaign.ended")]
    assert ended["payload"]["reason"] == "all 12 iterations are spent"
    assert {each["prefect.resource.role"] for each in ended["related"]} >= {"flow-run", "flow", "tag"}
    assert ended["resource"]["lab.closed"] == "true"

    verdicts = {event["payload"]["idea"]: event for event in events if "lab.idea" in event["resource"]}
    last = ideas[-1]
    assert verdicts[last["number"]]["event"] == f"lab.{last['verdict']}"
    for number, event in verdicts.items():
        (idea,) = (idea for idea in ideas if idea["number"] == number)
        assert (event["resource"]["lab.verdict"], event["payload"]["value"]) == (
            idea["verdict"],
            idea["value"],
        )
        assert "iteration" in {each["prefect.resource.role"] for each in event["related"]}


def test_a_plateau_is_told(cli: Cli, make_lab: Callable[..., Path], told: Events) -> None:
    folder = make_lab()
    lab = Lab.open(folder)
    resource = f"prefect-lab.lab.{lab.name}-{lab.identity}"
    lab.close()
    cli("lock", cwd=folder)
    cli("run", "-n", "40", "--plateau", "2", cwd=folder)
    events = told(resource, lambda found: any(one["event"] == "lab.plateau" for one in found))
    (plateau,) = (event for event in events if event["event"] == "lab.plateau")
    assert plateau["payload"]["since_keep"] >= 2
