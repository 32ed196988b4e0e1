"""A campaign's events, as the Prefect API has them, and a campaign whose API cannot take any."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab_plugin.lab import Lab
from lab_plugin.local_api import LocalApi
from tests.program import Cli, document

Events = Callable[[str, int], list[dict[str, Any]]]


@pytest.fixture
def told(shared_home: Path) -> Events:
    """The events of a resource, oldest first, as soon as there are so many."""
    with LocalApi(shared_home / "prefect") as api:
        api.start()
        url = api.wait()

    def read(resource: str, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(120):
            wanted = {"filter": {"resource": {"id": [resource]}, "order": "ASC"}, "limit": 50}
            answer = httpx.post(f"{url}/events/filter", json=wanted, trust_env=False)
            answer.raise_for_status()
            found = answer.json()["events"]
            if len(found) >= count:
                return found
            time.sleep(0.25)
        raise AssertionError(f"only {[event['event'] for event in found]}")

    return read


def test_a_campaign_tells_its_verdicts_its_budget_and_its_end(
    cli: Cli, make_lab: Callable[..., Path], told: Events
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "telling"'})
    cli("lock", cwd=folder)
    with_lab = Lab.open(folder)
    resource = f"prefect-lab.lab.telling-{with_lab.identity}"
    with_lab.close()

    cli("run", "-n", "5", "--hours", "9", cwd=folder)
    # It goes on at four fifths: what was told is not told again.
    ideas = document(cli("run", "-n", "5", "--plateau", "1000", "--json", cwd=folder))["ideas"]
    events = told(resource, len(ideas) + 6)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_name.setdefault(event["event"], []).append(event)

    verdicts = [event for event in events if "lab.idea" in event["resource"]]
    assert sorted(event["payload"]["idea"] for event in verdicts) == [idea["number"] for idea in ideas]
    for event in verdicts:
        idea = ideas[event["payload"]["idea"] - 1]
        assert event["event"] == f"lab.{idea['verdict']}"
        assert event["payload"]["branch"] == idea["branch"]
        assert event["payload"]["value"] == idea["value"]
        roles = {each["prefect.resource.role"] for each in event["related"]}
        assert {"iteration", "flow-run", "tag"} <= roles
