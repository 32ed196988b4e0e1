"""What a program in a sandbox reaches: the port of its service, and nothing else of the host."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxError, ServiceEnded
from lab_plugin.network import Policy
from lab_plugin.networked import MOST_ENDS, NetworkedSandbox
from lab_plugin.sandbox import ACCESS_LOG, BubblewrapSandbox, ProcessSandbox, Role, Sandbox
from tests.sandbox.conftest import docker_sandbox, engine
from tests.services.conftest import Host, ask, job

__all__ = ["docker_sandbox", "engine"]

# Prints which of some (host, port) can be connected to directly, and by asking the proxy.
REACH = """
import json, os, socket, sys
found = []
for host, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((host, port), 2).close()
        found.append(["direct", host, port])
    except OSError:
        pass
    proxy = os.environ.get("HTTPS_PROXY")
    if proxy:
        with socket.create_connection(("127.0.0.1", int(proxy.rpartition(":")[2])), 60) as one:
            one.sendall(f"CONNECT {host}:{port} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
            if b" 200 " in one.recv(4096):
                found.append(["proxy", host, port])
print(json.dumps([sorted(name for name in os.environ if name.startswith("LAB_SERVICE_")), found]))
"""


@pytest.fixture
async def bubblewrap() -> AsyncIterator[Sandbox]:
    opened = BubblewrapSandbox()
    yield opened
    await opened.close()


async def reached(sandbox: Sandbox, tmp_path: Path, role: Role, targets: list[tuple[str, int]]) -> tuple:
    asked = job(tmp_path, "", role, command=("python", "-I", "-S", "-c", REACH, json.dumps(targets)))
    execution = await sandbox.run(asked)
    assert execution.status == "ok", execution.stderr.read_text()
    names, found = json.loads(execution.stdout.read_text())
    return names, [tuple(one) for one in found], execution.guarantees


async def test_a_program_reaches_its_service_and_nothing_else(
    host: Host, bubblewrap: Sandbox, tmp_path: Path
) -> None:
    own, other = host.service(), host.service(**{"for": ["scorer"]})
    services = host.services(emulator=own, judge=other)
    sandbox = NetworkedSandbox(bubblewrap, {}, services=services)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        targets = [
            ("127.0.0.1", own.port),
            ("127.0.0.1", other.port),
            ("127.0.0.1", stranger.getsockname()[1]),
            ("emulator.service.lab", own.port),
            ("emulator.service.lab", other.port),
            ("emulator.service.lab", stranger.getsockname()[1]),
            ("judge.service.lab", other.port),
            ("localhost.service.lab", own.port),
            ("10.0.0.1", 80),
        ]
        async with services.serving("scorer"):
            names, found, guarantees = await reached(sandbox, tmp_path, "candidate", targets)
        assert names == ["LAB_SERVICE_EMULATOR"]
        assert found == [("direct", "127.0.0.1", own.port), ("proxy", "emulator.service.lab", own.port)]
        assert "network_none" not in guarantees
        names, found, guarantees = await reached(sandbox, tmp_path, "proposer", targets)
        assert (names, found) == ([], [])
        assert "network_none" in guarantees


async def test_two_at_once_with_hosts_allowed_and_without(
    host: Host, bubblewrap: Sandbox, tmp_path: Path
) -> None:
    service = host.service()
    services = host.services(emulator=service)
    plain = NetworkedSandbox(bubblewrap, {}, services=services)
    policies = {"candidate": Policy.parse(["allowed.example"])}
    listed = NetworkedSandbox(bubblewrap, policies, services=services)
    code = ask(service.port) + (
        "try:\n    urllib.request.urlopen('https://forbidden.example/', timeout=20)\nexcept OSError: pass\n"
    )
    jobs = [job(tmp_path, code, name=f"program-{number}") for number in range(2)]
    done = await asyncio.gather(plain.run(jobs[0]), listed.run(jobs[1]))
    assert [execution.status for execution in done] == ["ok", "ok"], done[0].stderr.read_text()
    assert sorted(execution.stdout.read_text().split()[1] for execution in done) == ["1", "2"]
    for one in jobs:
        lines = [json.loads(line) for line in (one.destination / ACCESS_LOG).read_text().splitlines()]
        told = {(line["kind"], line["host"], line["verdict"]) for line in lines}
        assert told == {
            ("service", "emulator.service.lab", "allowed"),
            ("tunnel", "forbidden.example", "refused"),
        }


async def test_bytes_go_both_ways_and_each_end_ends_alone(
    host: Host, bubblewrap: Sandbox, tmp_path: Path
) -> None:
    count = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    one, _ = listener.accept()
    with one:
        total = 0
        while data := one.recv(65536):
            total += len(data)
        one.sendall(b"%d " % total + b"x" * total)
"""
    service = host.service(count)
    sandbox = NetworkedSandbox(bubblewrap, {}, services=host.services(emulator=service))
    code = f"""
import socket
with socket.create_connection(("127.0.0.1", {service.port})) as one:
    one.sendall(b"y" * 5_000_000)
    one.shutdown(socket.SHUT_WR)
    data = b""
    while more := one.recv(65536):
        data += more
print(len(data), data[:8])
"""
    execution = await sandbox.run(job(tmp_path, code))
    assert execution.stdout.read_text() == "5000008 b'5000000 '\n", execution.stderr.read_text()


async def test_in_a_container(host: Host, docker_sandbox: Sandbox, tmp_path: Path) -> None:
    service = host.service()
    sandbox = NetworkedSandbox(docker_sandbox, {}, services=host.services(emulator=service))
    targets = [("127.0.0.1", service.port), ("127.0.0.1", service.port + 1)]
    _, found, _ = await reached(sandbox, tmp_path, "candidate", targets)
    assert found == [("direct", "127.0.0.1", service.port)]
    execution = await sandbox.run(job(tmp_path, ask(service.port)))
    assert execution.stdout.read_text().endswith(" 1 /\n"), execution.stderr.read_text()


async def test_without_a_network_of_its_own_a_service_is_for_all_or_none(host: Host, tmp_path: Path) -> None:
    inner = ProcessSandbox()
    try:
        with pytest.raises(SandboxError, match="all reach services.emulator"):
            NetworkedSandbox(inner, {}, services=host.services(emulator=host.service()))
        every = host.service(**{"for": ["candidate", "scorer", "proposer"]}, restart="trial")
        sandbox = NetworkedSandbox(inner, {}, services=host.services(emulator=every))
        execution = await sandbox.run(job(tmp_path, ask(every.port)))
        assert execution.stdout.read_text().endswith(" 1 /\n"), execution.stderr.read_text()
        assert host.alive() == []
    finally:
        await inner.close()


async def test_a_program_that_ends_its_service_each_time_has_failed(
    host: Host, bubblewrap: Sandbox, tmp_path: Path
) -> None:
    service = host.service(**{"for": ["candidate"]})
    judge = host.service(**{"for": ["scorer"]})
    sandbox = NetworkedSandbox(bubblewrap, {}, services=host.services(emulator=service, judge=judge))
    deadly = ask(service.port, "/die")
    for _ in range(MOST_ENDS - 1):
        with pytest.raises(ServiceEnded, match=r"emulator ended \(exit status 7\)(?s:.*)asked to die"):
            await sandbox.run(job(tmp_path, deadly))
    execution = await sandbox.run(job(tmp_path, deadly))
    assert execution.status == "failed"
    assert "ended a service 3 times" in execution.reason
    assert execution.outputs == {}
    execution = await sandbox.run(job(tmp_path, ask(service.port), name="another"))
    assert execution.status == "ok"
    for _ in range(MOST_ENDS):
        with pytest.raises(ServiceEnded):
            await sandbox.run(job(tmp_path, ask(judge.port, "/die"), "scorer"))
