"""A lab in containers: from lab.toml to the lock, the check and a verdict; and its way to the network."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.check import run_checks
from lab_plugin.errors import ConfigError, LockError
from lab_plugin.lab import Lab
from lab_plugin.lock_in_force import require_lock
from lab_plugin.network import Policy
from lab_plugin.networked import NetworkedSandbox
from lab_plugin.sandbox import ACCESS_LOG, GUARANTEES, DockerSandbox
from lab_plugin.verification import verify_idea
from tests.campaign.conftest import iterate, lock
from tests.conftest import git
from tests.sandbox import docker_engine


@pytest.fixture
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder whose API is up already: `lab check` asks for it."""
    monkeypatch.setenv("PREFECT_LAB_HOME", str(shared_home))
    return shared_home


async def test_a_lab_with_an_image_of_its_own(engine: str, home: Path, make_lab: Callable[..., Path]) -> None:
    table = '[sandbox]\nkind = "docker"\ndockerfile = "image/Dockerfile"\n\n[budget]'
    folder = make_lab(replace={"[budget]": table})
    (folder / "image").mkdir()
    (folder / "image" / "Dockerfile").write_text(f"FROM {docker_engine.IMAGE}\nENV ABOUT=own\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Image")
    findings = {finding.what: finding for finding in await run_checks(folder)}
    assert [finding for finding in findings.values() if not finding.ok and finding.what != "lock"] == []
    assert findings["sandbox"].detail.startswith("docker (")
    assert set(GUARANTEES) == set(findings["guarantees"].detail.partition(": ")[2].split(", "))
    await lock(folder)
    lab = Lab.open(folder)
    name = f"prefect-lab-candidate:{_tag(engine, lab.image)}"
    assert require_lock(lab)[1].terms.environment == {"image": lab.image, "python": "python"}
    lab.close()
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:
        (record,) = [record async for record in iterate(campaign)]
    assert record.value is not None
    assert record.sandbox == "docker"
    assert "user_split" in record.guarantees
    with docker_engine.connected(engine) as client:
        # Another content under the locked image's name.
        client.tag(docker_engine.IMAGE, name)
    changed = Lab.open(folder)
    with pytest.raises(LockError, match="environment.*image"):
        require_lock(changed)
    # What was scored in the locked image is verified in it, whatever its name means today.
    assert (await verify_idea(changed, "1")).equal
    changed.close()
    with docker_engine.connected(engine) as client:
        client.remove_image(name, force=True)


def test_faults_of_an_image_have_their_line(home: Path, make_lab: Callable[..., Path]) -> None:
    folder = make_lab(replace={"[budget]": '[sandbox]\nkind = "process"\nimage = "x"\n\n[budget]'})
    with pytest.raises(ConfigError, match='sandbox.image: the sandbox "process" has no image'):
        Lab.open(folder)


ASK = """
import ssl, sys, urllib.request
context = ssl._create_unverified_context()
for url in sys.argv[1:]:
    try: urllib.request.urlopen(url, timeout=20, context=context)
    except OSError as error: print(error)
"""


async def test_a_container_reaches_the_hosts_that_are_allowed_and_no_other(
    docker_sandbox: DockerSandbox, bench
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    def hear() -> bytes:
        with server.accept()[0] as client:
            return client.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        port = server.getsockname()[1]
        sandbox = NetworkedSandbox(
            docker_sandbox,
            {"candidate": Policy.parse([f"allowed.example:{port}"])},
            resolve=resolve,
            may_connect=lambda address: address == ip_address("127.0.0.1"),
        )
        hearing = asyncio.create_task(asyncio.to_thread(hear))
        urls = (f"https://allowed.example:{port}/", f"https://other.example:{port}/")
        job = bench.job("python", "-c", ASK, *urls)
        execution = await sandbox.run(job)
        heard = await hearing
    assert execution.status == "ok", execution.stderr.read_text()
    assert b"allowed.example" in heard
    assert "network_none" not in execution.guarantees
    lines = [json.loads(line) for line in (job.destination / ACCESS_LOG).read_text().splitlines()]
    assert [(line["host"], line["verdict"]) for line in lines] == [
        ("allowed.example", "allowed"),
        ("other.example", "refused"),
    ]
    apart = await sandbox.run(bench.python("import os; print('HTTPS_PROXY' in os.environ)", role="scorer"))
    assert apart.stdout.read_text() == "False\n"
    assert "network_none" in apart.guarantees


def _tag(engine: str, digest: str | None) -> str:
    with docker_engine.connected(engine) as client:
        (name,) = client.inspect_image(digest)["RepoTags"]
    return str(name).rpartition(":")[2]


async def test_a_tier_in_a_container_after_one_in_bubblewrap(
    engine: str, home: Path, make_lab: Callable[..., Path]
) -> None:
    tiers = f"""[tiers.proxy]
seeds   = 1
promote = {{ threshold = 1e9 }}

[tiers.proxy.sandbox]
kind = "bubblewrap"

[tiers.final]
seeds = 1

[tiers.final.sandbox]
kind  = "docker"
image = "{docker_engine.IMAGE}"

[budget]"""
    folder = make_lab(replace={"[budget]": tiers})
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2})) as campaign:
        records = [record async for record in iterate(campaign)]
    assert [(record.tier, record.sandbox) for record in records] == 2 * [("final", "docker")]
    lab = Lab.open(folder)
    try:
        results = list(lab.ledger.state().results)
        assert [(result.tier, result.sandbox) for result in results] == 2 * [("proxy", "bubblewrap")]
        # What runs in the image is locked with it, and what runs beside it with this machine's files.
        environment = require_lock(lab)[1].terms.environment
        assert environment["image"] == lab.image
        assert "image" not in environment["tiers"]["proxy"]
        assert lab.at("proxy").image is None
        # The same programs on the same points: a tier's value hangs on no sandbox.
        for record in records:
            assert record.tiers["proxy"] == record.value
        again = await verify_idea(lab, "1")
        assert again.equal, again.explanation
    finally:
        lab.close()
