"""Trials' processes that are forked from one that has imported what they need."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lab_plugin.trial_process._wire import address

ASK = "from lab_plugin.trial_process import run_in_nursery; run_in_nursery(); print('alone')"


class Stand:
    """A nursery below a worker, which is a process that does nothing; this process starts the trials."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(os.environ)
        self.address = address(os.getpid())
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "module.py").write_text("")
        self.worker = subprocess.Popen(["sleep", "600"])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.address)
            pidfd = os.pidfd_open(self.worker.pid)
            program = [sys.executable, str(Path(__file__).with_name("nursery.py")), str(self.code)]
            self.nursery = subprocess.Popen(
                [*program, str(listener.fileno()), str(pidfd)],
                pass_fds=(listener.fileno(), pidfd),
            )
            os.close(pidfd)
        deadline = time.monotonic() + 60
        while not self.listens():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def trial(self, what: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", ASK],
            env={**self.environment, "PREFECT__DO": what},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )

    def play(self, what: str) -> tuple[str, int]:
        process = self.trial(what)
        return process.communicate(timeout=120)[0], process.returncode

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return connection.connect_ex(self.address) == 0

    def close(self) -> None:
        for process in (self.worker, self.nursery):
            process.kill()
            process.wait()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    yield stand
    stand.close()


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_trial_is_in_its_place_and_ends_as_its_process_ends(stand: Stand) -> None:
    told, status = stand.play("exit")
    assert told.split()[1:] == [str(stand.folder)] and status == 7
    assert stand.play("die")[1] == -signal.SIGKILL
    asked = stand.trial("wait")
    assert asked.stdout is not None
    pid = int(asked.stdout.readline().split()[0])
    assert pid != asked.pid
    asked.terminate()
    assert asked.wait(60) == 5
    until_gone(pid)
    # A worker that kills what it started has killed the trial.
    asked = stand.trial("wait")
    assert asked.stdout is not None
    pid = int(asked.stdout.readline().split()[0])
    asked.kill()
    asked.wait()
    until_gone(pid)


@pytest.mark.parametrize("why", ["worker", "code"])
def test_a_nursery_that_may_not_serve_leaves_the_trial_to_start_alone(stand: Stand, why: str) -> None:
    assert stand.play("exit")[1] == 7
    if why == "worker":
        stand.worker.kill()
        stand.worker.wait()
        assert stand.nursery.wait(60) == 0
    else:
        (stand.code / "new.py").write_text("")
    assert stand.play("exit") == ("alone\n", 0)
    assert stand.nursery.wait(60) == 0


def test_another_environment_has_another_nursery(stand: Stand) -> None:
    stand.environment["PREFECT__FLOW_RUN_ID"] = "1"
    assert stand.play("exit")[1] == 7
    stand.environment["PREFECT_API_URL"] = "http://elsewhere.test/api"
    assert stand.play("exit") == ("alone\n", 0)
