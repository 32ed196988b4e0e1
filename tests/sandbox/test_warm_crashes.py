"""kill -9 of every process that a fork of a warm interpreter hangs on: nothing stays alive."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab_plugin.sandbox import BubblewrapSandbox

DRIVER = Path(__file__).with_name("warm_driver.py")
ENDLESS = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sh", ["sh", "-c", "sleep 1000; : {marker}"])
    os._exit(0)
time.sleep(1000)
"""


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def below(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        try:
            found += children(each)
        except OSError:
            continue
    return found[1:]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def named(pids: list[int]) -> dict[str, int]:
    """Supervisors by the names of their jobs; which one was forked first says nothing."""
    return {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in pids}


def is_interpreter(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"python")
    except OSError:
        return False


def kill(pid: int) -> None:
    """Kill a process, which the end of another one may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_until(reached, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Running:
    """A driver in the middle of its job."""

    def __init__(self, bench) -> None:
        (bench.workspace / "endless.py").write_text(ENDLESS.format(marker=bench.marker))
        (bench.workspace / "short.py").write_text("print(1)")
        self.bench = bench
        self.driver = subprocess.Popen(
            [sys.executable, DRIVER, bench.folder], stdout=subprocess.PIPE, text=True
        )
        try:
            wait_until(lambda: any(line.startswith("sh -c sleep") for line in bench.alive()))
            self._find()
        except BaseException:
            self.driver.kill()
            raise

    def _find(self) -> None:
        (self.spawner,) = children(self.driver.pid)
        # The interpreter's, the job's, and one that stands by.
        wait_until(lambda: len(children(self.spawner)) == 3)
        supervisors = named(children(self.spawner))
        keeper, self.supervisor = supervisors["lab-warm"], supervisors["endless"]
        (monitor,) = children(keeper)
        (inside,) = children(monitor)
        (interpreter,) = children(inside)
        wait_until(lambda: len(children(interpreter)) == 2)
        warden, _ = children(interpreter)
        (init,) = children(warden)
        self.all = below(self.driver.pid)
        self.named = {
            "spawner": self.spawner,
            "supervisor": self.supervisor,
            "keeper": keeper,
            "monitor": monitor,
            "inside": inside,
            "interpreter": interpreter,
            "warden": warden,
            "init": init,
        }


@pytest.fixture
def running(bench):
    found = Running(bench)
    yield found
    found.driver.kill()
    found.driver.wait()


@pytest.mark.parametrize(
    "name", ["supervisor", "keeper", "monitor", "inside", "interpreter", "warden", "init"]
)
def test_kill_9_of_one_ends_the_job_before_the_caller_hears_of_it(running, name):
    os.kill(running.named[name], signal.SIGKILL)
    assert running.driver.stdout.readline() == "SandboxUnavailable\n"
    assert not running.bench.alive()
    assert running.driver.stdout.readline() == "ok True\n"
    assert running.driver.wait() == 0
    wait_until(lambda: not any(is_alive(pid) for pid in running.all))


@pytest.mark.parametrize(
    "others",
    [
        (),
        ("spawner",),
        ("supervisor", "keeper"),
        ("spawner", "supervisor", "keeper", "monitor", "warden"),
    ],
)
def test_kill_9_of_the_caller_and_what_is_around_it_leaves_nothing(running, others):
    killed = [running.driver.pid, *(running.named[name] for name in others)]
    for pid in killed:
        os.kill(pid, signal.SIGSTOP)
    for pid in killed:
        kill(pid)
    running.driver.wait()
    wait_until(lambda: not running.bench.alive())
    wait_until(lambda: not any(is_alive(pid) for pid in running.all))


@pytest.mark.parametrize("which", ["supervisor", "child"])
async def test_an_interpreter_whose_place_is_killed_while_it_stands_by_is_started_anew(which, bench):
    (bench.workspace / "short.py").write_text("print(1)")
    sandbox = BubblewrapSandbox()
    before = set(children(os.getpid()))
    await sandbox.run(bench.job("python", "short.py"))
    (spawner,) = set(children(os.getpid())) - before
    standing = []
    while not standing:
        await asyncio.sleep(0.01)
        standing = [(pid, child) for pid in children(spawner) for child in children(pid)]
    for supervisor, child in standing:
        os.kill(supervisor if which == "supervisor" else child, signal.SIGKILL)
    execution = await sandbox.run(bench.job("python", "short.py", warm=("json",)))
    assert (execution.status, execution.warm) == ("ok", True)
    await sandbox.close()


async def test_an_interpreter_that_ends_before_a_program_begins_is_started_again(bench):
    (bench.workspace / "short.py").write_text("print(1)")
    sandbox = BubblewrapSandbox()
    before = set(below(os.getpid()))
    await sandbox.run(bench.job("python", "short.py", warm=("json",)))
    python = [pid for pid in set(below(os.getpid())) - before if is_interpreter(pid)]
    # It is alive, and hands no trial on.
    for pid in python:
        os.kill(pid, signal.SIGSTOP)
    running = asyncio.create_task(sandbox.run(bench.job("python", "short.py", warm=("json",))))
    await asyncio.sleep(0.5)
    assert not running.done()
    for pid in python:
        kill(pid)
    execution = await running
    assert (execution.status, execution.warm) == ("ok", True)
    assert execution.stdout.read_text() == "1\n"
    await sandbox.close()
    assert not any(is_alive(pid) for pid in set(below(os.getpid())) - before)


async def test_an_interpreter_that_was_killed_between_jobs_is_started_again(bench):
    (bench.workspace / "short.py").write_text("print(1)")
    sandbox = BubblewrapSandbox()
    before = set(below(os.getpid()))
    for _ in range(3):
        execution = await sandbox.run(bench.job("python", "short.py", warm=("json",)))
        assert (execution.status, execution.warm) == ("ok", True)
        for pid in set(below(os.getpid())) - before:
            if is_interpreter(pid):
                kill(pid)
                wait_until(lambda pid=pid: not is_alive(pid))
    await sandbox.close()
    assert not any(is_alive(pid) for pid in set(below(os.getpid())) - before)
