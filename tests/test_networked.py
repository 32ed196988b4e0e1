"""Programs that may reach a host reach it and nothing else, from config to access log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import ConfigError, SandboxError
from lab_plugin.lab import Lab
from lab_plugin.network import Policy
from lab_plugin.networked import NetworkedSandbox
from lab_plugin.sandbox import ACCESS_LOG, BubblewrapSandbox, Job, Limits, ProcessSandbox, Role, Sandbox
from tests.campaign.conftest import iterate, lock
from tests.conftest import git

ASK = """
import os, sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=20)
except OSError as error:
    print(error)
print([name for name in ("HTTPS_PROXY", "https_proxy") if name in os.environ])
"""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    one = NetworkedSandbox(
        BubblewrapSandbox(),
        {"candidate": Policy.parse(["allowed.example"]), "proposer": Policy()},
        resolve=resolve,
        may_connect=lambda address: address != ip_address("127.0.0.1"),
    )
    yield one
    await one.close()


def job(tmp_path: Path, role: Role, url: str) -> Job:
    tmp_path.chmod(0o755)
    workspace, destination = tmp_path / "workspace", tmp_path / f"out-{role}"
    workspace.mkdir(exist_ok=True)
    destination.mkdir()
    return Job(
        name="ask",
        role=role,
        command=("python", "-I", "-S", "-c", ASK, url),
        workspace=workspace,
        destination=destination,
        limits=Limits(wall_seconds=60),
    )


def accesses(destination: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (destination / ACCESS_LOG).read_text().splitlines()]


@pytest.mark.parametrize(
    ("url", "verdict"),
    [("https://other.example/", "refused"), ("https://allowed.example:8443/", "refused")],
)
async def test_what_is_not_allowed_is_refused_and_logged(
    sandbox: Sandbox, tmp_path: Path, url: str, verdict: str
) -> None:
    asked = job(tmp_path, "candidate", url)
    execution = await sandbox.run(asked)
    assert execution.status == "ok", execution.stderr.read_text()
    assert "HTTPS_PROXY" in execution.stdout.read_text()
    assert "network_none" not in execution.guarantees
    assert [line["verdict"] for line in accesses(asked.destination)] == [verdict]


async def test_an_allowed_name_with_an_address_of_this_machine(sandbox: Sandbox, tmp_path: Path) -> None:
    asked = job(tmp_path, "candidate", "https://allowed.example/")
    await sandbox.run(asked)
    (line,) = accesses(asked.destination)
    assert (line["host"], line["port"]) == ("allowed.example", 443)
    assert line["verdict"] != "allowed"


@pytest.mark.parametrize("role", ["proposer", "scorer"])
async def test_other_roles_have_no_network(sandbox: Sandbox, tmp_path: Path, role: Role) -> None:
    asked = job(tmp_path, role, "https://allowed.example/")
    execution = await sandbox.run(asked)
    assert execution.stdout.read_text().endswith("[]\n")
    assert "network_none" in execution.guarantees
    assert not (asked.destination / ACCESS_LOG).exists()


async def test_a_sandbox_with_other_ways_out_is_refused(home: Path, make_lab: Callable[..., Path]) -> None:
    with pytest.raises(SandboxError, match="allow-list"):
        NetworkedSandbox(ProcessSandbox(), {"candidate": Policy.parse(["allowed.example"])})
    table = '[sandbox]\nkind = "process"\n\n[scorer]'
    folder = make_lab(replace={"[scorer]": table, "[candidate]": '[candidate]\nnetwork = ["a.example"]'})
    with pytest.raises(SandboxError, match="allow-list"):
        await lock(folder)


def test_every_bad_rule_is_named(home: Path, make_lab: Callable[..., Path]) -> None:
    folder = make_lab(replace={"[candidate]": '[candidate]\nnetwork = ["10.0.0.1", "https://x.example"]'})
    with pytest.raises(ConfigError) as caught:
        Lab.open(folder)
    assert "10.0.0.1" in str(caught.value)
    assert "https://x.example" in str(caught.value)


async def test_the_access_log_of_a_trial_is_kept_with_its_evidence(
    home: Path, make_lab: Callable[..., Path]
) -> None:
    folder = make_lab(replace={"[candidate]": '[candidate]\nnetwork = ["nowhere.invalid"]'})
    program = folder / "candidate.py"
    program.write_text(
        "import socket, os, urllib.request\n"
        "try: urllib.request.urlopen('https://forbidden.invalid/', timeout=20)\n"
        "except OSError: pass\n" + program.read_text()
    )
    git(folder, "commit", "-qam", "Ask")
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:
        (record,) = [record async for record in iterate(campaign)]
    assert record.value is not None
    assert "network_none" not in record.guarantees
    (log,) = home.rglob("evidence/0001/candidate.network.jsonl")
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["host"], line["verdict"]) == ("forbidden.invalid", "refused")


async def test_a_credential_without_its_variable_stops_before_anything_is_written(
    home: Path, make_lab: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = '{ host = "api.example.com", header = "x-api-key", env = "EXAMPLE_VALUE" }'
    table = f'[candidate]\nnetwork = ["api.example.com"]\ncredentials = [{credential}]'
    folder = make_lab(replace={"[candidate]": table})
    with pytest.raises(ConfigError, match="cannot be injected") as caught:
        await lock(folder)
    assert "EXAMPLE_VALUE" in str(caught.value)
    monkeypatch.setenv("EXAMPLE_VALUE", "abc")
    await lock(folder)
    lab = Lab.open(folder)
    assert lab.redactor.text("it is abc") == "it is [redacted]"
    lab.close()
