"""A lab with a service, from `lab.toml` to verdicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.check import run_checks
from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.lab import Lab
from lab_plugin.sandbox import Attempt, Sandbox
from tests.campaign.conftest import iterate, lock
from tests.conftest import git
from tests.ports import free_port
from tests.services.conftest import SERVER

MakeLab = Callable[..., Path]


@pytest.fixture
def make(make_lab: MakeLab) -> Callable[..., Path]:
    """A lab whose candidate adds 1 to its point through a service, and whose service is in its folder."""

    def make(port: int, more: str = "") -> Path:
        table = (
            f'[services.adder]\ncommand = ["python", "adder.py", "{port}"]\nport = {port}\n'
            f"timeout = 20\n{more}\n[scorer]"
        )
        folder = make_lab(replace={"[scorer]": table})
        (folder / "adder.py").write_text(SERVER)
        program = folder / "candidate.py"
        program.write_text(
            "import os, socket\n"
            "host, port = os.environ['LAB_SERVICE_ADDER'].split(':')\n"
            "with socket.create_connection((host, int(port))) as one:\n"
            "    one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
            "    assert b' 200 ' in one.recv(4096)\n" + program.read_text()
        )
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Serve")
        return folder

    return make


def serving(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


async def no_attempts(sandbox: Sandbox) -> list[Attempt]:
    return []


async def test_a_campaign_with_a_service(home: Path, make: Callable[..., Path]) -> None:
    port = free_port()
    folder = make(port)
    await lock(folder)
    assert not serving(port)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2})) as campaign:
        records = [record async for record in iterate(campaign)]
        assert serving(port)
    assert not serving(port)
    assert [record.value is not None for record in records] == [True, True]
    (log,) = home.rglob("services/adder.log")
    # One for the lock, one for the campaign.
    assert log.read_text().count("== started") == 2


async def test_the_service_is_part_of_the_lock(home: Path, make: Callable[..., Path]) -> None:
    folder = make(free_port())
    lab = Lab.open(folder)
    before = lab.terms().digest()
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace("timeout = 20\n", 'restart = "trial"\n'))
    assert Lab.open(folder).terms().digest() != before


async def test_check_tells_of_each_service(
    home: Path, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds each, and no part of this.
    monkeypatch.setattr("lab_plugin.serving.check_api", lambda home: "")
    monkeypatch.setattr("lab_plugin.check.attempt_breaches", no_attempts)
    port, other = free_port(), free_port()
    folder = make(port, f'[services.broken]\ncommand = ["python", "broken.py"]\nport = {other}\n')
    (folder / "broken.py").write_text("raise SystemExit('no device is connected')")
    found = {finding.what: finding for finding in await run_checks(folder)}
    assert found["service adder"].ok, found["service adder"]
    assert f"127.0.0.1:{port}" in found["service adder"].detail
    assert not found["service broken"].ok
    assert "no device is connected" in found["service broken"].detail
    assert "candidate" not in found, "it could only fail"
    assert not serving(port)


async def test_a_service_that_does_not_start_is_no_verdict(home: Path, make: Callable[..., Path]) -> None:
    port = free_port()
    folder = make(port)
    await lock(folder)
    (folder / "adder.py").write_text("raise SystemExit('no device is connected')")
    lab = Lab.open(folder)
    with pytest.raises(SandboxUnavailable, match="no device is connected"):
        async with open_campaign(lab, Plan({"iterations": 1})) as campaign:
            async for _ in iterate(campaign):
                pytest.fail("it has a verdict")
    assert not lab.ledger.state().ideas


async def test_a_sandbox_that_cannot_keep_it_from_others(home: Path, make: Callable[..., Path]) -> None:
    folder = make(free_port(), '[sandbox]\nkind = "process"\n')
    with pytest.raises(SandboxError, match="services.adder"):
        Lab.open(folder).sandbox()
