"""A process that is forked before its job is known, and becomes the job's program."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from . import linux, seccomp
from .cgroup_group import Group
from .request import Lost, Request, receive_message, send
from .streams import Stream

_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_OPEN_FILES = 16_384
_OOM_SCORE = "500"
_MOST_FDS = 16
_READY = b"+"
# Above all numbers that a program gets.
_ASIDE = 64
MORE_FILE_SIZE = 1 << 16
FIRST_KEPT = 3
"""What a program inherits besides its three streams has the numbers from here on."""


class NotStarted(Exception):
    """The program could not be executed; its errno and the text for it."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


class Orders(NamedTuple):
    """What the process is to become.

    Attributes:
        command: argv.
        environment: Its whole environment.
        directory: Working directory.
        limits: Of resources, each a kind and its value.
        uid: User and group; None to stay as it is.
        calls: Filter of system calls, in hexadecimal; empty for none.
    """

    command: list[str]
    environment: dict[str, str]
    directory: str
    limits: list[tuple[int, int]]
    uid: int | None = None
    calls: str = ""


class Child:
    """The process, in a session of its own and in the job's group; stdin is empty.

    Args:
        group: The job's group.
    """

    def __init__(self, group: Group) -> None:
        parent = os.getpid()
        self._channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            _stand_by(theirs, group, parent)
        theirs.close()

    def become(
        self,
        orders: Orders,
        streams: tuple[Stream, Stream],
        *,
        namespaces: Sequence[int] = (),
        keep: Sequence[int] = (),
    ) -> int:
        """Have it execute the program.

        Args:
            orders: What it becomes.
            streams: stdout and stderr.
            namespaces: Descriptors of those that it enters, in this order.
            keep: Descriptors that the program gets, from `FIRST_KEPT` on.

        Returns:
            Process id.

        Raises:
            NotStarted: No such program, or it may not be executed.
            Lost: The process was killed.
        """
        fds = [*(stream.write_end for stream in streams), *namespaces, *keep]
        send(self._channel, {**orders._asdict(), "namespaces": len(namespaces)}, *fds)
        with self._channel:
            said = _until_its_end(self._channel)
        if said == _READY:
            return self._pid
        os.waitpid(self._pid, 0)
        if not said:
            raise Lost("its process was killed while it stood by")
        number, _, text = said.removeprefix(_READY).decode("utf-8", "replace").partition(" ")
        raise NotStarted(int(number), text)

    def dismiss(self) -> None:
        """Let it end without a program; it is reaped with all other children."""
        self._channel.close()


def limits(request: Request, group: Group, processes: int | None) -> list[tuple[int, int]]:
    """What no controller of the group limits, per process.

    Args:
        request: The job.
        group: Its group.
        processes: Limit of processes of this user; None leaves it to the group.
    """
    # Above the size of the tmpfs, so that a full one is met first and says so.
    found = [(resource.RLIMIT_FSIZE, request.disk_bytes + MORE_FILE_SIZE)]
    if "memory" not in group.controllers:
        found.append((resource.RLIMIT_DATA, request.memory_bytes))
    if "pids" not in group.controllers and processes is not None:
        found.append((resource.RLIMIT_NPROC, processes))
    return found


def user_processes(request: Request) -> int | None:
    """What to limit processes to in a user namespace of the job's own; None where that counts others too."""
    # Counted per user namespace since Linux 5.14; the user's other processes would count before,
    # and with root all jobs of one role together.
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    return request.processes if request.uid is None and release >= (5, 14) else None


def _until_its_end(channel: socket.socket) -> bytes:
    said = b""
    while True:
        try:
            chunk = channel.recv(1 << 12)
        except ConnectionResetError:
            return said
        if not chunk:
            return said
        said += chunk


def _stand_by(channel: socket.socket, group: Group, parent: int) -> NoReturn:
    try:
        channel = _aside(channel)
        # All are closed on exec anyway; a program that got one of the launcher's could forge its own report.
        linux.close_all_but({channel.fileno()})
        linux.die_with_parent(signal.SIGKILL, parent)
        _separate(group)
        message, fds = receive_message(channel, _MOST_FDS)
        if message is not None:
            namespaces = message.pop("namespaces")
            _become(Orders(**message), fds, channel, parent, namespaces)
    except OSError as error:
        channel.send(f"{error.errno or 0} {error.strerror or error}".encode())
    finally:
        os._exit(127)


def _aside(channel: socket.socket) -> socket.socket:
    return socket.socket(fileno=fcntl.fcntl(channel.fileno(), fcntl.F_DUPFD_CLOEXEC, _ASIDE))


def _separate(group: Group) -> None:
    """All that does not hang on the job."""
    os.setsid()
    # All are closed: this is the lowest number.
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
    group.join()
    # A machine short of memory then ends programs before the lab.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE)
    linux.leave_session_keyring()
    linux.limit(resource.RLIMIT_CORE, 0)
    linux.limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    os.umask(0o022)
    for number in _DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _become(orders: Orders, fds: list[int], channel: socket.socket, parent: int, namespaces: int) -> None:
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for fd in fds]
    for fd in aside[2 : 2 + namespaces]:
        linux.enter(fd)
    kept = [*aside[:2], *aside[2 + namespaces :]]
    for number, fd in enumerate(kept, start=1):
        os.dup2(fd, number)
    linux.close_all_but({*range(len(kept) + 1), channel.fileno()})
    os.chdir(orders.directory)
    for kind, value in orders.limits:
        linux.limit(kind, value)
    if orders.uid is not None:
        os.setgroups([])
        os.setresgid(orders.uid, orders.uid, orders.uid)
        os.setresuid(orders.uid, orders.uid, orders.uid)
    # After the change of user, which clears it.
    linux.die_with_parent(signal.SIGKILL, parent)
    if orders.calls:
        seccomp.install(bytes.fromhex(orders.calls))
    channel.send(_READY)
    os.execvpe(orders.command[0], orders.command, orders.environment)  # noqa: S606 - the point of it
