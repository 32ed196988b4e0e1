"""A host that is reached by SSH: a server of the tests' own on the loopback, with keys of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port

MARK = "LAB_TEST_PRODUCTION"
# Debian keeps it out of the PATH of ordinary users; it starts itself again, by its absolute path.
PROGRAM = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
# Read early: the environment of the tests is cleaned before each of them.
demanded = pytest.mark.skipif(
    os.environ.get(MARK) != "1" and PROGRAM is None,
    reason=f"there is no SSH server here; {MARK}=1 insists on one",
)
_SECONDS = 30

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
MaxStartups 100
# What a person has a shell do at its start is no part of the tests, and may take a minute.
SetEnv HOME={folder}
"""
_CLIENT = """\
Host {name}
    HostName 127.0.0.1
    Port {port}
    HostKeyAlias {name}
    IdentityFile {folder}/user
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known
    GlobalKnownHostsFile /dev/null
"""


class Host:
    """The host, which is off at first; it knows the user's key, and the user knows its.

    Args:
        folder: Of its files, empty.

    Attributes:
        name: By which `command` knows it, as in `name:/path.git`.
        command: An SSH client that finds the host and the key.
    """

    name = "hub"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for key in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(folder / key)]
            subprocess.run(command, check=True)
        for file, text in (("server", _SERVER), ("client", _CLIENT)):
            (folder / file).write_text(text.format(port=self._port, folder=folder, name=self.name))
        self.command = f"ssh -F {folder / 'client'}"
        self.admit()
        self.become_known()

    def admit(self) -> None:
        """Know the user's key from now on."""
        shutil.copy(self._folder / "user.pub", self._folder / "authorized")

    def shut_out(self) -> None:
        """Know no key any more."""
        (self._folder / "authorized").write_text("")

    def become_known(self) -> None:
        """The user has seen this host before."""
        (self._folder / "known").write_text(f"{self.name} {(self._folder / 'host.pub').read_text()}")

    def become_unknown(self) -> None:
        """The user never saw this host."""
        (self._folder / "known").write_text("")

    def start(self) -> None:
        """Go on, and wait until it answers."""
        assert PROGRAM is not None, f"{MARK}=1: there is no sshd"
        if os.getuid() == 0:
            # Where it lays down its rights; Debian's service makes it.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = self._folder / "log"
        with log.open("ab") as output:
            command = [PROGRAM, "-D", "-e", "-f", str(self._folder / "server")]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def vanish(self) -> None:
        """Be gone at once, with all that runs on it.

        git is ended so that it takes its locks along: one that is killed while it moves refs leaves them, and
        then nothing can be pushed there any more, host or no host.
        """
        if self._process is None:
            return
        server = psutil.Process(self._process.pid)
        # Nobody else gets in.
        server.suspend()
        sessions: list[psutil.Process] = []
        programs: list[psutil.Process] = []
        for each in server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                (sessions if each.name().startswith("sshd") else programs).append(each)
        for each in programs:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        psutil.wait_procs(programs, _SECONDS)
        for each in sessions:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.kill()
        self._process.wait()
        self._process = None


@pytest.fixture(name="host")
def running_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("ssh"))
    host.start()
    yield host
    host.vanish()
