"""What only containers can go wrong with: images, devices, the engine, and what a dead lab leaves behind."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox import DockerSandbox, open_sandbox
from lab_plugin.sandbox._docker import _config, _end
from lab_plugin.sandbox._docker._binds import Workspace
from lab_plugin.sandbox._docker._engine import Engine
from tests.sandbox import docker_engine

DRIVER = Path(__file__).with_name("driver.py")
OWNER = "prefect-lab.owner"
ENDLESS = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    os.execvp("sh", ["sh", "-c", "sleep 1000; : {marker}"])
'{marker}'
time.sleep(1000)
"""


def _refuse(pid, number):
    raise PermissionError


def wait_until(reached, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_the_engine_is_told_to_hold_everything(docker_sandbox, engine, bench):
    job = bench.python(f"'{bench.marker}'; import time; time.sleep(1000)", name="odd name/7")
    running = asyncio.create_task(docker_sandbox.run(job))
    try:
        while not bench.alive():
            await asyncio.sleep(0.02)
        (name,) = docker_engine.containers(engine)
        with docker_engine.connected(engine) as client:
            found = client.inspect_container(name)
    finally:
        running.cancel()
        await asyncio.wait((running,))
    assert name.startswith("lab-odd-name-7-")
    assert found["Config"]["Labels"]["prefect-lab.job"] == "odd name/7"
    assert found["Config"]["Labels"]["prefect-lab.role"] == "candidate"
    assert found["Image"] == docker_sandbox.image_id
    assert found["Config"]["User"] not in ("", "0", "0:0")
    host = found["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Privileged"]) == ("none", True, False)
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == job.limits.memory_bytes
    assert host["PidsLimit"] == job.limits.processes + 1
    assert host["NanoCpus"] == 10**9
    assert (host["AutoRemove"], host["RestartPolicy"]["Name"]) == (True, "no")
    assert not host["DeviceRequests"]
    assert docker_engine.containers(engine) == []


async def test_roles_are_different_users_and_never_root(docker_sandbox, bench):
    seen = {}
    for role in ("candidate", "scorer", "proposer"):
        execution = await docker_sandbox.run(bench.python("import os; print(os.getresuid())", role=role))
        seen[role] = execution.stdout.read_text()
    assert len(set(seen.values())) == 3
    assert not any("0, 0" in text for text in seen.values())


LEAVE = """
import os, time
for folder in ('/tmp', '/dev/shm', '/dev/mqueue', '/var/tmp', '/run'):
    try: open(folder + '/left', 'w').write('x')
    except OSError: pass
if os.fork() == 0:
    os.setsid(); time.sleep(1000)
"""
FIND = """
import os
print([root for root, _, files in os.walk('/') if 'left' in files and not root.startswith('/proc')])
print([name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()])
with open('/proc/sysvipc/shm') as file: print(len(file.readlines()))
"""


async def test_nothing_passes_from_one_job_to_the_next(docker_sandbox, bench):
    clean = (await docker_sandbox.run(bench.python(FIND))).stdout.read_text()
    assert clean == "[]\n['1']\n1\n"
    assert (await docker_sandbox.run(bench.python(LEAVE))).status == "ok"
    assert (await docker_sandbox.run(bench.python(FIND))).stdout.read_text() == clean


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"memory_bytes": 1 << 20}, "memory_bytes"),
        ({"disk_bytes": 4096}, "disk_bytes"),
        ({"cpus": 1e-4}, "cpus"),
    ],
)
async def test_a_limit_that_no_container_holds_is_refused(docker_sandbox, bench, limits, message):
    with pytest.raises(SandboxError, match=f"limit {message} is below"):
        await docker_sandbox.run(bench.python("pass", limits=limits))


async def test_gpus_that_the_engine_has_not(engine, bench):
    with docker_engine.connected(engine) as client:
        if "nvidia" in client.info()["Runtimes"]:
            pytest.skip("this engine has GPUs")
    sandbox = open_sandbox("auto", image=docker_engine.IMAGE, gpus=1)
    try:
        with pytest.raises(SandboxError, match="no such GPUs: 7") as caught:
            await sandbox.run(bench.python("pass", gpus=("7",)))
        assert not isinstance(caught.value, SandboxUnavailable)
        assert "Container Toolkit" in caught.value.remedy
        assert (await sandbox.run(bench.python("pass", role="scorer"))).status == "ok"
    finally:
        await sandbox.close()
    assert docker_engine.containers(engine) == []


@pytest.mark.parametrize(
    ("cards", "seen"),
    [(("GPU-aa", "MIG-bb"), "GPU-aa,MIG-bb"), (("4", "6"), "0,1"), ((), None)],
)
async def test_a_job_asks_for_its_very_cards(docker_sandbox, bench, monkeypatch, cards, seen):
    """Of an engine without any: what it was asked for is what it made the container of."""
    made = []
    create = Engine.create

    def inspected(self, config, name):
        if name.startswith(docker_engine.AHEAD):
            # For a job of an earlier test.
            return create(self, config, name)
        container = create(self, config, name)
        made.append(self.client.inspect_container(container))
        # It would not start what it cannot have.
        self.client.remove_container(container, force=True)
        return create(self, {**config, "HostConfig": {**config["HostConfig"], "DeviceRequests": []}}, name)

    monkeypatch.setattr(Engine, "create", inspected)
    told = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    ran = await docker_sandbox.run(bench.python(told, gpus=cards))
    assert ran.stdout.read_text().strip() == str(seen)
    (container,) = made
    assert f"NVIDIA_VISIBLE_DEVICES={','.join(cards) or 'void'}" in container["Config"]["Env"]
    asked = container["HostConfig"]["DeviceRequests"] or []
    assert [request["DeviceIDs"] for request in asked] == ([list(cards)] if cards else [])
    assert all(request["Count"] == 0 and request["Capabilities"] == [["gpu"]] for request in asked)


@pytest.mark.parametrize(
    ("host", "message"),
    [("unix:///nowhere/engine.sock", "No engine listens"), ("tcp://192.0.2.1:2375", "on this machine")],
)
def test_an_engine_that_cannot_be_used(monkeypatch, host, message):
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(SandboxUnavailable) as caught:
        DockerSandbox()
    assert message in caught.value.remedy


def test_an_engine_that_cannot_hold_a_limit_is_refused(engine, monkeypatch):
    import docker

    facts = docker.APIClient.info
    monkeypatch.setattr(docker.APIClient, "info", lambda self: {**facts(self), "PidsLimit": False})
    with pytest.raises(SandboxUnavailable, match="cannot limit processes"):
        DockerSandbox(image=docker_engine.IMAGE)


async def test_an_engine_that_shows_other_files_runs_nothing(docker_sandbox, bench, monkeypatch):
    monkeypatch.setattr(Workspace, "identity", property(lambda _: (1, 1)))
    with pytest.raises(SandboxUnavailable, match="other files than the lab sees"):
        await docker_sandbox.run(bench.python("print('ran')"))
    assert (bench.folder / "destination1" / "stdout.log").read_text() == ""


@pytest.mark.parametrize("user", ["root", "ordinary"])
async def test_an_engine_that_dies_in_the_middle(bench, monkeypatch, user):
    with docker_engine.only_engine(monkeypatch) as host:
        if user == "ordinary":
            # May not kill what is another user's; what it does not hear ends it.
            monkeypatch.setattr(_config, "SILENCE_SECONDS", 5.0)
            monkeypatch.setattr(_end.os, "kill", _refuse)
        sandbox = DockerSandbox(image=docker_engine.IMAGE)
        running = asyncio.create_task(sandbox.run(bench.python(ENDLESS.format(marker=bench.marker))))
        while len(bench.alive()) < 2:
            assert not running.done(), running.result()
            await asyncio.sleep(0.02)
        if user == "ordinary":
            # Longer than the silence: beats keep it alive.
            await asyncio.sleep(8)
            assert len(bench.alive()) >= 2
        subprocess.run(["kill", "-9", str(docker_engine.pid_of(host))], check=True)
        with pytest.raises(SandboxUnavailable) as caught:
            await running
        assert "still alive" not in caught.value.message
        assert not bench.alive()
        with pytest.raises(SandboxUnavailable, match="engine"):
            await sandbox.run(bench.python("pass"))
        await sandbox.close()


@pytest.fixture
def killed(engine, bench):
    """A lab that was killed in the middle of a job, and what it left for a moment."""
    command = [sys.executable, DRIVER, "docker", bench.folder, ENDLESS.format(marker=bench.marker)]
    driver = subprocess.Popen(command, env={**os.environ, "TEST_IMAGE": docker_engine.IMAGE})
    try:
        wait_until(lambda: any(line.startswith("sh -c sleep") for line in bench.alive()))
        assert len(docker_engine.containers(engine)) == 1
    finally:
        driver.kill()
        driver.wait()


def test_kill_9_of_the_lab_ends_the_job_and_its_container(killed, engine, bench):
    wait_until(lambda: not bench.alive())
    wait_until(lambda: not docker_engine.containers(engine))


async def test_what_a_dead_lab_made_and_never_started_is_removed(engine, bench):
    dead = subprocess.Popen(["true"])
    dead.wait()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = os.readlink("/proc/self/ns/pid")
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    owners = {
        "dead": f"{boot}/{namespace}/{dead.pid}/1",
        # Of a process that came after the owner, under its number.
        "reused": f"{boot}/{namespace}/{os.getpid()}/1",
        "alive": f"{boot}/{namespace}/{os.getpid()}/{started}",
        "elsewhere": f"{boot}/pid:[1]/{dead.pid}/1",
        "garbage": "1/2",
    }
    with docker_engine.connected(engine) as client:
        for name, owner in owners.items():
            client.create_container(
                docker_engine.IMAGE, ["true"], name=f"owner-{name}", labels={OWNER: owner}
            )
        sandbox = DockerSandbox(image=docker_engine.IMAGE)
        try:
            assert (await sandbox.run(bench.python("pass"))).status == "ok"
            assert sorted(docker_engine.containers(engine)) == [
                "owner-alive",
                "owner-elsewhere",
                "owner-garbage",
            ]
            assert await sandbox.reap() == []
        finally:
            await sandbox.close()
            for name in docker_engine.containers(engine):
                client.remove_container(name, force=True)


async def test_an_input_may_be_a_socket_of_the_host(docker_sandbox, bench):
    path = bench.folder / "call.sock"
    code = (
        "import os, socket\nwith socket.socket(socket.AF_UNIX) as one:\n"
        "    one.connect(os.environ['LAB_CALL']); one.sendall(b'asked'); print(one.recv(9))"
    )
    job = bench.python(code, inputs={"LAB_CALL": path})

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read(9)).upper())
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        path.chmod(0o600)
        with pytest.raises(SandboxError, match="cannot be connected to"):
            await docker_sandbox.run(job)
        path.chmod(0o666)
        execution = await docker_sandbox.run(job)
    assert execution.stdout.read_text() == "b'ASKED'\n", execution.stderr.read_text()
