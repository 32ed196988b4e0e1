"""kill -9 of every process that a job hangs on: nothing stays alive, and the next job runs."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_plugin.sandbox import open_sandbox
from tests.sandbox.test_warm_crashes import is_alive, named

DRIVER = Path(__file__).with_name("driver.py")
# A program with a descendant of its own session that left its parent.
CODE = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sh", ["sh", "-c", "sleep 1000; : {marker}"])
    os._exit(0)
'{marker}'
time.sleep(1000)
"""


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def wait_until(reached, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def groups(spawner: int) -> list[str]:
    # Groups of others come and go meanwhile; a walk passes over what is gone.
    return [
        folder
        for folder, _, _ in os.walk("/sys/fs/cgroup")
        if Path(folder).parent.name == "prefect-lab" and Path(folder).name.startswith(f"{spawner}-")
    ]


class Running:
    """A driver in the middle of its job."""

    def __init__(self, kind: str, bench) -> None:
        code = CODE.format(marker=bench.marker)
        self.bench = bench
        self.kind = kind
        self.driver = subprocess.Popen(
            [sys.executable, DRIVER, kind, bench.folder, code], stdout=subprocess.PIPE, text=True
        )
        try:
            self._find()
        except BaseException:
            self.driver.kill()
            raise

    def _find(self) -> None:
        bench = self.bench
        wait_until(lambda: any(line.startswith("sh -c sleep") for line in bench.alive()))
        self.spawner = next(pid for pid in children(self.driver.pid))
        self.supervisor = named(children(self.spawner))["endless"]

    def programs(self) -> list[str]:
        return [line for line in self.bench.alive() if str(DRIVER) not in line]


@pytest.fixture(params=["bubblewrap", "process"])
def running(request, bench):
    found = Running(request.param, bench)
    yield found
    found.driver.kill()
    found.driver.wait()
    bench.kill()


def test_kill_9_of_the_caller_ends_the_job(running):
    os.kill(running.driver.pid, signal.SIGKILL)
    running.driver.wait()
    wait_until(lambda: not running.programs())
    wait_until(lambda: not Path(f"/proc/{running.spawner}").exists())
    assert groups(running.spawner) == []


def test_kill_9_of_the_supervisor_ends_the_job_before_the_caller_hears_of_it(running):
    os.kill(running.supervisor, signal.SIGKILL)
    assert running.driver.stdout.readline() == "SandboxUnavailable\n"
    # A plain program of an ordinary user is in no control group by which it could be found.
    if running.kind == "bubblewrap" or os.getuid() == 0:
        assert not running.programs()
    assert running.driver.stdout.readline() == "ok\n"
    assert running.driver.wait() == 0
    assert groups(running.spawner) == []


def test_kill_9_of_the_spawner_leaves_the_job_to_its_caller(running):
    os.kill(running.spawner, signal.SIGKILL)
    assert running.programs()
    os.kill(running.driver.pid, signal.SIGKILL)
    running.driver.wait()
    wait_until(lambda: not running.programs())


async def test_kill_9_of_spawner_and_supervisor(running):
    os.kill(running.spawner, signal.SIGKILL)
    os.kill(running.supervisor, signal.SIGKILL)
    assert running.driver.stdout.readline() == "SandboxUnavailable\n"
    # A plain program of an ordinary user is in no control group by which it could be found.
    if running.kind == "bubblewrap" or os.getuid() == 0:
        assert not running.programs()
    assert running.driver.stdout.readline() == "ok\n"
    assert running.driver.wait() == 0
    # What could not be removed then is removed at the next start.
    sandbox = open_sandbox("process")
    await sandbox.probe()
    await sandbox.close()
    # The supervisor that stood by removes its own, when it sees that no job will come.
    wait_until(lambda: groups(running.spawner) == [])


async def test_kill_9_of_everything_above(running):
    above = [running.spawner, running.supervisor]
    # bubblewrap's own monitor is the supervisor's only child; a plain program is left to be swept.
    if running.kind == "bubblewrap":
        above += children(running.supervisor)
    for pid in (running.driver.pid, *above):
        os.kill(pid, signal.SIGSTOP)
    for pid in (running.driver.pid, *above):
        os.kill(pid, signal.SIGKILL)
    running.driver.wait()
    # Until the supervisor is dead, its lock spares its group.
    wait_until(lambda: not any(map(is_alive, above)))
    if running.kind == "process":
        # What left its parent is found by its control group, when the next launcher starts.
        sandbox = open_sandbox("process")
        await sandbox.probe()
        await sandbox.close()
        if "memory_total" not in sandbox.guarantees:
            return
    wait_until(lambda: not running.programs())


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
async def test_a_spawner_that_was_killed_between_jobs_is_started_again(kind, bench):
    sandbox = open_sandbox(kind)
    before = set(children(os.getpid()))
    assert (await sandbox.run(bench.python("pass"))).status == "ok"
    (spawner,) = set(children(os.getpid())) - before
    os.kill(spawner, signal.SIGKILL)
    for _ in range(3):
        assert (await sandbox.run(bench.python("pass"))).status == "ok"
    await sandbox.close()
    assert set(children(os.getpid())) - before <= {spawner}


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
@pytest.mark.parametrize("which", ["supervisor", "child"])
async def test_what_is_killed_while_it_stands_by_is_made_anew(kind, which, bench):
    sandbox = open_sandbox(kind)
    before = set(children(os.getpid()))
    for _ in range(3):
        assert (await sandbox.run(bench.python("print('run')"))).status == "ok"
        (spawner,) = set(children(os.getpid())) - before
        wait_until(lambda spawner=spawner: any(children(pid) for pid in children(spawner)))
        ((supervisor, child),) = ((pid, each) for pid in children(spawner) for each in children(pid))
        killed = supervisor if which == "supervisor" else child
        os.kill(killed, signal.SIGKILL)
        execution = await sandbox.run(bench.python("print('again')"))
        assert (execution.status, execution.stdout.read_text()) == ("ok", "again\n")
    await sandbox.close()
    assert set(children(os.getpid())) - before == set()
    assert groups(spawner) == []


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
async def test_a_job_is_taken_by_the_supervisor_that_stands_by(kind, bench):
    sandbox = open_sandbox(kind)
    before = set(children(os.getpid()))
    await sandbox.run(bench.python("pass"))
    (spawner,) = set(children(os.getpid())) - before
    wait_until(lambda: any(children(pid) for pid in children(spawner)))
    # It is there before its offer is.
    wait_until(lambda: select.select([sandbox._spawner._control], [], [], 0)[0])
    ((supervisor, child),) = ((pid, each) for pid in children(spawner) for each in children(pid))
    running = asyncio.create_task(sandbox.run(bench.python("import time; time.sleep(1000)")))
    deadline = time.monotonic() + 60
    while not Path(f"/proc/{child}/cmdline").read_bytes().startswith((b"python", b"/usr/bin/bwrap")):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert children(supervisor)[0] == child
    running.cancel()
    await asyncio.wait([running])
    await sandbox.close()


def test_a_sweep_spares_the_groups_of_the_living(running):
    held = groups(running.spawner)

    async def another() -> None:
        sandbox = open_sandbox("bubblewrap")
        await sandbox.probe()
        await sandbox.close()

    asyncio.run(another())
    # One may have been made since, for the job to come.
    assert held
    assert set(held) <= set(groups(running.spawner))
    assert running.programs()
