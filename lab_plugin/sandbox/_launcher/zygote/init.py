"""The first two processes of a trial's PID namespace: its init, and the program's own.

Both are forked before the trial is known, and stand by until the warden tells them of it.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from .. import linux, seccomp  # noqa: TID252 - inside, it has another name
from ..request import receive_message, send  # noqa: TID252
from .program import Interpreter, Program

_PROC_FLAGS = linux.MS_NOSUID | linux.MS_NOEXEC | linux.MS_NODEV
_MOST_FDS = 16


class Processes(NamedTuple):
    """The two as the warden knows them.

    Attributes:
        init: Process id of the init.
        told: A byte of each comes there when it is confined, or why it is not.
        for_init: Where the init learns of its trial.
        for_main: Where the program's own process does.
    """

    init: int
    told: int
    for_init: socket.socket
    for_main: socket.socket

    def begin(self, entry: dict[str, Any], streams: Sequence[int], lab: int, doors: Sequence[int]) -> None:
        """Tell both of their trial.

        Args:
            entry: What the supervisor says of it.
            streams: stdout and stderr of the program, and what is read before it starts.
            lab: The lab's socket, whose end tells that all is over.
            doors: Into the trial's control group.
        """
        send(self.for_main, entry, *streams, *doors)
        send(self.for_init, entry, lab, *doors)


def fork_both(interpreter: Interpreter) -> Processes | Program:
    """Fork them; in the program's own process, the program, once the trial is known.

    Args:
        interpreter: What the program is to find.
    """
    for_init, in_init = socket.socketpair()
    for_main, in_main = socket.socketpair()
    told, tell = os.pipe()
    alive, _kept = os.pipe()
    init = os.fork()
    if init == 0:
        return _run_init(interpreter, tell, alive, in_init.detach(), in_main.detach())
    for fd in (tell, alive, in_init.detach(), in_main.detach()):
        os.close(fd)
    return Processes(init, told, for_init, for_main)


def join(entry: dict[str, Any], doors: Sequence[int]) -> None:
    """Enter the trial's control group, and take its limits."""
    for door in doors:
        os.write(door, b"0")
        os.close(door)
    linux.unshare(linux.CLONE_NEWCGROUP)
    limits = (
        (resource.RLIMIT_FSIZE, "file_size"),
        (resource.RLIMIT_DATA, "data"),
        (resource.RLIMIT_NPROC, "processes"),
    )
    for kind, name in limits:
        if entry[name] is not None:
            linux.limit(kind, entry[name])


def _run_init(interpreter: Interpreter, tell: int, alive: int, for_init: int, for_main: int) -> Program:
    """Be the init and end with the program; returns in the program's own process."""
    try:
        linux.die_with_maker(signal.SIGKILL)
        linux.close_all_but({tell, alive, for_init, for_main})
        poll = select.poll()
        poll.register(alive, 0)
        if poll.poll(0):
            os._exit(1)
        linux.mount("proc", "/proc", "proc", _PROC_FLAGS)
        os.setsid()
        main = os.fork()
        if main == 0:
            return _become_program(interpreter, tell, for_main)
        _guard(main, tell, alive, for_init)
    except Exception:  # noqa: BLE001 - the border of two processes: the warden must learn of it
        os.write(tell, traceback.format_exc().encode())
        os._exit(1)


def _guard(main: int, tell: int, alive: int, for_init: int) -> NoReturn:
    # The pipe ends with the warden, and the lab's socket with the last of the trial's processes.
    entry, (lab, *doors) = _await_trial(for_init)
    join(entry, doors)
    # What the program sees as process 1 must not give it these descriptors.
    linux.set_dumpable(False)
    linux.close_all_but({tell, alive, lab})
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.write(tell, b"i")
    os.close(tell)
    while True:
        pid, status = os.wait()
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
            # As a shell and bubblewrap tell a signal.
            os._exit(code if code >= 0 else 128 - code)


def _await_trial(descriptor: int) -> tuple[dict[str, Any], list[int]]:
    with socket.socket(fileno=descriptor) as channel:
        entry, fds = receive_message(channel, _MOST_FDS)
    if entry is None:
        os._exit(1)
    return entry, fds


def _become_program(interpreter: Interpreter, tell: int, for_main: int) -> Program:
    linux.close_all_but({tell, for_main})
    # No descriptor that comes is to have the number of a standard stream.
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)
    entry, (stdout, stderr, go, *doors) = _await_trial(for_main)
    join(entry, doors)
    program = Program(entry["command"], entry["directory"], entry["environment"], interpreter)
    _confine(program, (stdout, stderr), go, tell, bytes.fromhex(entry["calls"]))
    return program


def _confine(program: Program, streams: tuple[int, int], go: int, tell: int, calls: bytes) -> None:
    for number, fd in enumerate((os.open(os.devnull, os.O_RDONLY), *streams)):
        os.dup2(fd, number)
    linux.close_all_but({0, 1, 2, go, tell})
    program.prepare()
    linux.drop_capabilities()
    linux.set_dumpable(True)
    seccomp.install(calls)
    os.write(tell, b"p")
    os.close(tell)
    if not os.read(go, 1):
        os._exit(1)
    os.close(go)
