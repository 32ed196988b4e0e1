"""Starting, waiting for and using services; what is not ready, not ours or not alive is never used."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.errors import ConfigError, LabError, SandboxUnavailable, ServiceEnded
from lab_plugin.services import listeners, tail
from tests.ports import free_port
from tests.services.conftest import SERVER, Host, parent, wait_until

# Listens, and leaves a daemon that heeds no SIGTERM and has no parent of the service's.
DAEMON = """
import os, signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        listener.close()
        time.sleep(1000)
    os._exit(0)
while True:
    listener.accept()[0].close()
"""


def fetch(port: int, path: str = "/") -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode().split()


@pytest.mark.parametrize(
    "ready",
    ["tcp", "http://127.0.0.1:{port}/health", ("python", "-c", "open('healthy'); print('looked')")],
    ids=["tcp", "http", "command"],
)
async def test_it_is_ready_when_it_says_so(host: Host, ready: Any) -> None:
    port = free_port()
    ready = ready.format(port=port) if isinstance(ready, str) else ready
    services = host.services(emulator=host.service(port=port, ready=ready))

    async def enter() -> list[str]:
        async with services.serving("candidate") as serving:
            assert serving.variables == {"LAB_SERVICE_EMULATOR": f"127.0.0.1:{port}"}
            return await asyncio.to_thread(fetch, port)

    entering = asyncio.create_task(enter())
    if ready != "tcp":
        done, _ = await asyncio.wait((entering,), timeout=2)
        assert not done, "it is not healthy yet"
        (host.folder / "healthy").touch()
    pid, *_ = await entering
    assert int(pid) in host.alive()
    await services.close()
    assert host.alive() == []


async def test_one_for_a_campaign_or_a_fresh_one_for_each_run(host: Host) -> None:
    shared, fresh = host.service(), host.service(restart="trial")
    services = host.services(shared=shared, fresh=fresh)
    seen: list[tuple[str, str]] = []
    inside = 0

    async def use() -> None:
        nonlocal inside
        async with services.serving("candidate"):
            inside += 1
            assert inside == 1, "a fresh service has one user at a time"
            shared_by = (await asyncio.to_thread(fetch, shared.port))[0]
            pid, count, _ = await asyncio.to_thread(fetch, fresh.port)
            assert count == "1"
            seen.append((shared_by, pid))
            inside -= 1

    await asyncio.gather(use(), use())
    assert len({one for one, _ in seen}) == 1
    assert len({one for _, one in seen}) == 2
    assert len(host.alive()) == 1


async def test_roles_get_their_own_services_only(host: Host) -> None:
    services = host.services(
        one=host.service(), two=host.service(**{"for": ["scorer"]}), both=host.service(**{"for": ["scorer"]})
    )
    assert services.of("candidate") == ("one",)
    assert services.of("scorer") == ("both", "two")
    assert services.of("proposer") == ()
    async with services.serving("proposer") as serving:
        assert (serving.variables, host.alive()) == ({}, [])


async def test_its_environment_is_an_allow_list(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; print('SEES', sorted(os.environ), os.environ.get('TOLD'), flush=True)\n" + SERVER
    services = host.services(emulator=host.service(code, env=["TOLD"]))
    await services.try_out("emulator")
    (line,) = [line for line in host.log().splitlines() if line.startswith("SEES")]
    names = set(eval(line.split("]")[0].removeprefix("SEES ") + "]"))
    assert host.mark in line
    assert names <= {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
        *("TOLD", "LAB_HOST_SERVICE"),
    }


async def test_a_variable_that_is_not_set(host: Host) -> None:
    services = host.services(emulator=host.service(env=["NOBODY_SET_THIS"]))
    with pytest.raises(ConfigError, match="NOBODY_SET_THIS"):
        await services.try_out("emulator")
    assert not host.state.exists()


async def test_a_taken_port_is_named_and_not_used(host: Host) -> None:
    port = free_port()
    stranger = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        stranger.stdout.readline()
        services = host.services(emulator=host.service(port=port))
        with pytest.raises(
            SandboxUnavailable, match=f"port {port} is taken by process {stranger.pid} .*http.server"
        ):
            await services.try_out("emulator")
        assert host.alive() == []
    finally:
        stranger.kill()
        _, asked = stranger.communicate()
    assert "GET" not in asked


async def test_a_port_that_a_stranger_takes_meanwhile(host: Host) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        port = stranger.getsockname()[1]
        services = host.services(emulator=host.service("import time; time.sleep(1000)", port=port))
        trying = asyncio.create_task(services.try_out("emulator"))
        await asyncio.sleep(0.3)
        stranger.listen()
        with pytest.raises(SandboxUnavailable, match=f"port {port} listens process {os.getpid()}"):
            await trying
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()


class Patience:
    """The clock of who waits for a service: its time is over once the service came so far as it will."""

    def __init__(self, came: Callable[[], bool]) -> None:
        self._came = came
        self._rounds = 0

    def monotonic(self) -> float:
        # What was missing was looked for before this is asked: one more round, and it is known.
        self._rounds += self._came()
        return 1000.0 if self._rounds > 1 else 0.0


@pytest.mark.parametrize(
    ("code", "settings", "told"),
    [
        (
            "import time; print('password hunter2', flush=True); time.sleep(1000)",
            {"timeout": 2},
            "not ready within 2 s",
        ),
        ("print('no\\x1b[2J device'); raise SystemExit(3)", {}, "ended before it was ready (exit status 3)"),
        ("", {"command": ["/nonexistent/program"]}, "cannot be executed: No such file"),
        (SERVER, {"ready": ["/nonexistent/program"], "timeout": 2}, "readiness command cannot be executed"),
        (SERVER, {"ready": ["false"], "timeout": 2}, "readiness command ended with exit status 1"),
    ],
    ids=["late", "dead", "missing", "no probe", "never"],
)
async def test_what_does_not_come_up_says_why(
    host: Host, monkeypatch: pytest.MonkeyPatch, code: str, settings: dict[str, Any], told: str
) -> None:
    service = host.service(code, **settings)
    services = host.services(emulator=service)
    if "timeout" in settings:
        patience = Patience(lambda: "hunter2" in host.log() or bool(listeners(service.port)))
        monkeypatch.setattr("lab_plugin.services._host_service.time", patience)
    with pytest.raises(LabError) as caught:
        await services.try_out("emulator")
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    if "hunter2" in code:
        assert "password [redacted]" in str(caught.value)
    assert host.alive() == []


async def test_all_that_it_started_is_ended(host: Host) -> None:
    services = host.services(emulator=host.service(DAEMON))
    async with services.serving("candidate"):
        # The service serves already while it leaves its first parent.
        wait_until(lambda: len(host.alive()) == 2)
    await services.close()
    assert host.alive() == []
    assert not (host.state / "emulator.json").exists()


async def test_the_end_of_a_log_is_told_across_its_two_files(host: Host) -> None:
    # The guardian begins a new file, at half of the 64 KiB, before what no longer fits: here, in a secret.
    code = f"""
import os, sys, time
os.write(1, b"x" * {(32 << 10) - 200} + b"\\n" + b"no device, password hun")
time.sleep(1)
os.write(1, b"ter2" + b"." * 190 + b"\\nthe end\\n")
sys.exit(3)
"""
    services = host.services(emulator=host.service(code))
    with pytest.raises(LabError) as caught:
        await services.try_out("emulator")
    assert (host.state / "emulator.log.1").exists()
    assert "no device, password [redacted]..." in str(caught.value)
    assert "the end" in str(caught.value)


def test_the_end_of_a_log_is_as_it_was_at_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "emulator.log"
    write = """
import itertools, sys
from lab_plugin.services.guardian import Log
log = Log(sys.argv[1], 6_000)
for number in itertools.count():
    log.write(b"%012d\\n" % number)
"""
    writer = subprocess.Popen([sys.executable, "-c", write, str(path)])
    try:
        wait_until(lambda: len(tail(path, str).split()) == 12)
        for _ in range(1000):
            # The last one may be just being written.
            numbers = [int(line) for line in tail(path, str).split()[:-1]]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    finally:
        writer.kill()
        writer.wait()


@pytest.mark.parametrize(
    "flood",
    ["for i in range(200_000): print('line', i)", "print('x' * 60_000)"],
    ids=["of lines", "at once"],
)
async def test_a_flood_of_output_is_cut_and_its_end_is_kept(host: Host, flood: str) -> None:
    code = f"{flood}\nprint('the end', flush=True)\n" + SERVER
    services = host.services(emulator=host.service(code))
    await services.try_out("emulator")
    assert "the end" in host.log()
    assert sum(path.stat().st_size for path in host.state.glob("emulator.log*")) <= 64 << 10


async def test_work_is_dropped_when_its_service_ends_and_a_new_one_serves_the_next(host: Host) -> None:
    services = host.services(emulator=host.service())
    stopped = asyncio.Event()

    async def work(fatal: str) -> int:
        (pid,) = host.alive()
        pidfd = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            if fatal == "late":
                await asyncio.sleep(1000)
            # Without a turn of the loop in between.
            assert select.select([pidfd], [], [], 60)[0]
            return pid
        finally:
            os.close(pidfd)
            stopped.set()

    for fatal in ("late", "at the last moment"):
        with pytest.raises(ServiceEnded, match=r"signal 9.*while a program used it"):
            async with services.serving("candidate") as serving:
                await serving.during(work(fatal))
        assert stopped.is_set()
        stopped.clear()
    async with services.serving("candidate") as serving:
        assert await serving.during(asyncio.to_thread(fetch, serving.ports["emulator"]))


async def test_a_killed_guardian_takes_all_with_it(host: Host) -> None:
    services = host.services(emulator=host.service(DAEMON))
    with pytest.raises(ServiceEnded):
        async with services.serving("candidate") as serving:
            # The service and its daemon, once that has left its first parent.
            wait_until(lambda: len(host.alive()) == 2 and len({parent(pid) for pid in host.alive()}) == 1)
            (guardian,) = {parent(pid) for pid in host.alive()}
            os.kill(guardian, signal.SIGKILL)
            await serving.during(asyncio.sleep(1000))
    await services.close()
    assert host.alive() == []


async def test_a_cancelled_start_leaves_nothing(host: Host) -> None:
    services = host.services(emulator=host.service(DAEMON, ready=["false"]))
    trying = asyncio.create_task(services.try_out("emulator"))
    while not host.alive():
        await asyncio.sleep(0.02)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert host.alive() == []
