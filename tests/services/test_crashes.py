"""kill -9 of the lab, alone and with the guardian: nothing is left, or the next start ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxUnavailable
from tests.ports import free_port
from tests.services.conftest import Host, parent, wait_until
from tests.services.test_services import DAEMON

DRIVER = Path(__file__).with_name("driver.py")


class Lab:
    """Another process that uses the service."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.port = free_port()
        self.process = subprocess.Popen(
            # The lab's own command line has the mark too.
            [sys.executable, DRIVER, host.folder, host.state, host.mark, str(self.port), DAEMON],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert self.process.stdout.readline() == "ready\n"
            # The service serves already while it leaves its first parent.
            wait_until(lambda: len(self.alive()) == 2 and len(self._parents()) == 1)
            (self.guardian,) = self._parents()
        except BaseException:
            self.process.kill()
            raise

    def alive(self) -> list[int]:
        return [pid for pid in self.host.alive() if pid != self.process.pid]

    def _parents(self) -> set[int]:
        return {parent(pid) for pid in self.alive()}


@pytest.fixture
def lab(host: Host) -> Iterator[Lab]:
    found = Lab(host)
    yield found
    found.process.kill()
    found.process.wait()
    wait_until(lambda: not found.alive())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_nothing_outlives_the_lab(lab: Lab, number: signal.Signals) -> None:
    assert len(lab.alive()) == 2
    os.kill(lab.process.pid, number)
    lab.process.wait()
    wait_until(lambda: not lab.alive())
    wait_until(lambda: not Path(f"/proc/{lab.guardian}").exists())


async def test_what_a_kill_of_both_leaves_ends_with_the_next_start(host: Host, lab: Lab) -> None:
    for pid in (lab.guardian, lab.process.pid):
        os.kill(pid, signal.SIGKILL)
    lab.process.wait()
    wait_until(lambda: len(lab.alive()) == 1)
    (daemon,) = lab.alive()
    services = host.services(emulator=host.service(port=lab.port))
    async with services.serving("candidate"):
        assert daemon not in host.alive()
        assert len(host.alive()) == 1
    await services.close()


async def test_a_living_lab_keeps_its_service(host: Host, lab: Lab) -> None:
    services = host.services(emulator=host.service(port=lab.port))
    before = lab.alive()
    with pytest.raises(SandboxUnavailable, match=f"in use by process {lab.process.pid} "):
        await services.try_out("emulator")
    assert lab.alive() == before
