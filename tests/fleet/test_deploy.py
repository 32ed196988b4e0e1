"""`lab deploy`: what a Prefect API has of a lab afterwards, and what stands in the way."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
from prefect.client.schemas.schedules import CronSchedule

from lab_plugin.errors import ApiError, ConfigError, LabError, PoolError, RemoteError, RepositoryError
from lab_plugin.fleet import Deployed
from tests.conftest import git
from tests.fleet.conftest import MakeLab, deployed
from tests.program import LAB

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient


def outcomes(done: Deployed) -> dict[str, str]:
    return {each.name: each.outcome for each in done.done}


async def test_a_lab_is_registered_once(client: PrefectClient, make_shared: Callable[..., Path]) -> None:
    folder = make_shared("twice")
    names = ["campaign/twice-campaign", "digest/twice-digest", "watchdog/twice-watchdog"]
    first = await deployed(client, folder, schedule="0 1 * * *", timezone="Europe/Berlin")
    assert [each.name for each in first.done] == ["campaigns", *names]
    assert (first.folder, first.branch) == ("labs", "main")
    campaign = await client.read_deployment_by_name(names[0])
    assert campaign.entrypoint == "lab_plugin.flows.campaign.campaign"
    assert campaign.parameters == {"lab": "labs"}
    assert campaign.work_pool_name == "campaigns"
    step = {"repository": first.repository, "branch": "main", "remote": "origin"}
    assert campaign.pull_steps == [{"lab_plugin.fleet.clone": step}]
    (schedule,) = campaign.schedules
    assert schedule.schedule.model_dump() == {
        "cron": "0 1 * * *",
        "timezone": "Europe/Berlin",
        "day_or": True,
    }
    digests = (await client.read_deployment_by_name(names[1])).schedules
    assert {each.slug: each.parameters for each in digests} == {
        "daily": {"period": "daily"},
        "weekly": {"period": "weekly"},
    }

    again = await deployed(client, folder, schedule="0 1 * * *", timezone="Europe/Berlin")
    assert (again.changed, set(outcomes(again).values())) == (False, {"unchanged"})
    assert (await client.read_deployment_by_name(names[0])).updated == campaign.updated


async def test_what_changed_is_registered_again_and_what_a_person_set_stays(
    client: PrefectClient, make_shared: Callable[..., Path]
) -> None:
    folder = make_shared("other")
    await deployed(client, folder)
    watchdog = await client.read_deployment_by_name("watchdog/other-watchdog")
    await client.update_deployment_schedule(watchdog.id, watchdog.schedules[0].id, active=False)
    git(folder, "push", "-q", "origin", "main:stable")
    done = await deployed(client, folder, schedule="30 2 * * *", branch="stable")
    assert outcomes(done)["campaign/other-campaign"] == "updated"
    after = await client.read_deployment_by_name("watchdog/other-watchdog")
    assert (after.id, after.schedules[0].active) == (watchdog.id, False)


async def test_schedules_stay_until_others_are_given(
    client: PrefectClient, make_shared: Callable[..., Path]
) -> None:
    folder, name = make_shared("nightly"), "campaign/nightly-campaign"

    async def crons() -> list[str]:
        return sorted(each.schedule.cron for each in (await client.read_deployment_by_name(name)).schedules)

    await deployed(client, folder, schedule="0 1 * * *")
    assert outcomes(await deployed(client, folder))[name] == "unchanged"
    assert await crons() == ["0 1 * * *"]
    # A person's, as from the UI, and a change of another kind.
    campaign = await client.read_deployment_by_name(name)
    await client.create_deployment_schedules(campaign.id, [(CronSchedule(cron="0 2 * * *"), False)])
    git(folder, "push", "-q", "origin", "main:stable")
    assert outcomes(await deployed(client, folder, branch="stable"))[name] == "updated"
    assert await crons() == ["0 1 * * *", "0 2 * * *"]
    kept = (await client.read_deployment_by_name(name)).schedules
    assert {each.schedule.cron: each.active for each in kept} == {"0 1 * * *": True, "0 2 * * *": False}
    assert outcomes(await deployed(client, folder, branch="stable", schedule="none"))[name] == "updated"
    assert await crons() == []
    assert outcomes(await deployed(client, folder, branch="stable", schedule="none"))[name] == "unchanged"


async def test_what_a_clone_would_lack_is_named(
    client: PrefectClient, make_shared: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_shared("lacking")
    (first,) = (await deployed(client, folder)).warnings
    assert "has no ledger of lacking yet: `lab sync`" in first

    (folder / "lab.toml").write_text((folder / "lab.toml").read_text() + "\n# new\n")
    with pytest.raises(RepositoryError, match="lab.toml has changes that are not committed"):
        await deployed(client, folder)
    git(folder, "commit", "-q", "-a", "-m", "Change")
    assert "has another commit of main" in (await deployed(client, folder)).warnings[0]
    git(folder, "checkout", "-q", "-b", "aside")
    with pytest.raises(RemoteError, match='has no branch "aside"') as missing:
        await deployed(client, folder)
    assert missing.value.remedy == "`git push -u origin aside`"
    git(folder, "checkout", "-q", "--detach")
    with pytest.raises(RepositoryError, match="HEAD is detached"):
        await deployed(client, folder)
    assert (await deployed(client, folder, branch="main")).branch == "main"
    git(folder, "rm", "-q", "--cached", "lab.lock")
    git(folder, "commit", "-q", "-m", "Forget")
    with pytest.raises(RepositoryError, match="labs/lab.lock is not in HEAD") as uncommitted:
        await deployed(client, folder, branch="main")
    assert "`git add labs/lab.lock`" in uncommitted.value.remedy


async def test_a_remote_that_cannot_be_cloned_is_refused(
    client: PrefectClient, make_shared: Callable[..., Path]
) -> None:
    folder = make_shared("remotes")
    with pytest.raises(LabError, match=r"https://\*\*\*@example.org/x.git holds a password") as secret:
        await deployed(client, folder, repository="https://ada:s3cret@example.org/x.git")
    assert "s3cret" not in str(secret.value)
    with pytest.raises(RemoteError, match="absent.git"):
        await deployed(client, folder, repository=str(folder / "absent.git"))
    git(folder, "remote", "rename", "origin", "upstream")
    with pytest.raises(RemoteError, match=r'no remote "origin".*It has upstream'):
        await deployed(client, folder)


async def test_a_lab_that_is_not_shared_is_refused(
    client: PrefectClient, make_lab: MakeLab, home: Path
) -> None:
    folder = make_lab()
    (folder / "lab.lock").write_text("{}\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Lock")
    with pytest.raises(LabError, match="is not shared") as error:
        await deployed(client, folder)
    assert 'remote = "origin"' in error.value.remedy


async def test_wishes_that_cannot_be(client: PrefectClient, make_shared: Callable[..., Path]) -> None:
    more = '[tiers.final]\nseeds = 1\npool = "campaigns"\n'
    folder = make_shared("wishful", more)
    with pytest.raises(PoolError, match="wait for ever"):
        await deployed(client, folder)
    for wishes in ({"schedule": "every night"}, {"timezone": "Moon/Crater"}, {"notify": "ftp://x"}):
        with pytest.raises(ConfigError):
            await deployed(client, folder, pool="others", **wishes)


def test_without_an_api(make_shared: Callable[..., Path], home: Path) -> None:
    from lab_plugin.home import Home
    from lab_plugin.serving import serving_now

    with pytest.raises(ApiError, match="No Prefect API runs on this machine"), serving_now(Home(home)):
        raise AssertionError("there is none")


def test_the_command(prefect_environment: dict[str, str], make_shared: Callable[..., Path]) -> None:
    folder = make_shared("commanded")
    home = os.environ["PREFECT_LAB_HOME"]
    done = subprocess.run(
        [LAB, "deploy", "--json"],
        cwd=folder,
        env={**prefect_environment, "PREFECT_LAB_HOME": home},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["changed"], document["lab"]) == (True, "commanded")
    assert {"kind": "deployment", "name": "campaign/commanded-campaign", "outcome": "created"} in [
        {key: each[key] for key in ("kind", "name", "outcome")} for each in document["done"]
    ]


@pytest.fixture
def webhook() -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """A server on this machine, and what it is sent."""
    told: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.put({**json.loads(body), "type": self.headers["Content-Type"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/lab", told
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_webhook_is_told_of_one_lab_and_of_no_other(
    client: PrefectClient, make_shared: Callable[..., Path], webhook: tuple[str, Queue[dict[str, Any]]]
) -> None:
    import asyncio

    from prefect.events import emit_event
    from prefect.events.clients import PrefectEventsClient  # noqa: F401
    from prefect.states import Failed

    url, told = webhook
    folder = make_shared("telling")
    names = [f"lab telling: {word}" for word in ("keep", "plateau", "budget", "failure")]
    first = await deployed(client, folder, notify=url)
    assert [each.name for each in first.done if each.kind == "automation"] == names
    again = await deployed(client, folder, notify=url)
    assert not again.changed
    assert url not in json.dumps([each.name for each in again.done])

    def emit(event: str, lab: str, payload: dict[str, Any]) -> None:
        resource = {"prefect.resource.id": f"prefect-lab.lab.{lab}-0a1b2c3d", "prefect.resource.name": lab}
        emit_event(event, resource, payload=payload)

    emit("lab.kept", "telling-more", {"name": "other", "metric": "value", "value": 2.0})
    emit("lab.kept", "telling", {"name": '0007 "<wider>"\n', "metric": "value", "value": 0.5})
    emit("lab.plateau", "telling", {"since_keep": 20})
    emit("lab.budget", "telling", {"share": 0.8125})
    deployment = await client.read_deployment_by_name("campaign/telling-campaign")
    run = await client.create_flow_run_from_deployment(deployment.id, name="sunny-run")
    await client.set_flow_run_state(run.id, Failed(message="the disk is full"), force=True)
    got = [await asyncio.to_thread(told.get, timeout=120) for _ in range(4)]
    texts = {each["event"]: each["text"] for each in got}
    assert texts == {
        "lab.kept": 'telling: idea 0007 "<wider>"\n is kept: value 0.5',
        "lab.plateau": "telling: 20 ideas in a row without a keep",
        "lab.budget": "telling: 81 % of the budget is spent",
        "prefect.flow-run.Failed": "telling: the campaign sunny-run ended as Failed: the disk is full",
    }
    assert {each["lab"] for each in got} == {"telling"}
    assert {each["type"] for each in got} == {"application/json"}
    assert told.empty()
