"""The process around one trial: it enters the namespaces, and sees to it that they end.

It is no part of the program's PID namespace. It ends when the supervisor's socket does, the namespace's init
ends with it, and with the init every process of the program.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import struct
from typing import Any, NoReturn

from .. import linux  # noqa: TID252 - inside, it has another name
from ..request import receive_message, receive_with_fd  # noqa: TID252
from .init import Processes, fork_both, join
from .program import Interpreter, Program

_NAMESPACES = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
)
_HOST = "lab"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PTS_OPTIONS = "newinstance,ptmxmode=0666,mode=620"
_CONFINED = {b"i", b"p"}
_MAX_FDS = 16


class Warden:
    """One trial's.

    Args:
        handover: Where the supervisor's socket comes from; its end means that there is no trial to come.
        interpreter: What the program is to find.
    """

    def __init__(self, handover: socket.socket, interpreter: Interpreter) -> None:
        self._handover = handover
        self._channel: socket.socket | None = None
        self._interpreter = interpreter

    def enter(self) -> Program:
        """Make the trial's place and its first processes; returns in the program's own process."""
        ready: Processes | Program | OSError
        try:
            _enter_namespaces()
            ready = fork_both(self._interpreter)
        except OSError as error:
            # It is for the trial to learn of.
            ready = error
        if isinstance(ready, Program):
            return ready
        _, fd = receive_with_fd(self._handover, 16)
        self._handover.close()
        if fd is None:
            os._exit(0)
        self._channel = socket.socket(fileno=fd)
        if isinstance(ready, OSError):
            raise ready
        self._begin(ready)
        pidfd = os.pidfd_open(ready.init)
        self._tell({"event": "started"}, pidfd)
        self._watch(ready.init, pidfd)

    def fail(self, text: str) -> NoReturn:
        """Tell the supervisor that the trial's place could not be made, and end."""
        self._tell({"event": "failed", "message": text})
        os._exit(1)

    def _begin(self, ready: Processes) -> None:
        """Have the program wait, confined, for its start."""
        assert self._channel is not None
        entry, fds = receive_message(self._channel, _MAX_FDS)
        if entry is None:
            os._exit(1)
        stdout, stderr, go, lab, tree, tmp, shm, *doors = fds
        self._tell({"event": "entered"}, os.pidfd_open(os.getpid()))
        for mounted, target in ((tree, "/lab"), (tmp, "/tmp"), (shm, "/dev/shm")):  # noqa: S108 - inside
            linux.attach(mounted, target)
        ready.begin(entry, (stdout, stderr, go), lab, doors)
        for fd in (stdout, stderr, go, tree, tmp, shm):
            os.close(fd)
        join(entry, doors)
        program = Program(entry["command"], entry["directory"], entry["environment"], self._interpreter)
        if names := program.shadowed():
            self._tell({"event": "unfit", "names": names})
            os._exit(0)
        self._await_confined(ready.told)

    def _await_confined(self, told: int) -> None:
        said = b""
        while {said[place : place + 1] for place in range(len(said))} != _CONFINED:
            chunk = os.read(told, 1 << 16)
            if not chunk:
                self.fail(said.decode("utf-8", "replace") or "the init ended early")
            said += chunk

    def _watch(self, init: int, pidfd: int) -> NoReturn:
        assert self._channel is not None
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self._channel.fileno(), select.POLLIN)
        while not any(fd == pidfd for fd, _ in poll.poll()):
            # The supervisor says nothing more: this is its end.
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            poll.unregister(self._channel.fileno())
        _, status, usage = os.wait4(init, 0)
        code = os.waitstatus_to_exitcode(status)
        self._tell(
            {
                "event": "ended",
                "exit_code": code if code >= 0 else None,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
            }
        )
        os._exit(0)

    def _tell(self, message: dict[str, Any], *fds: int) -> None:
        if self._channel is None:
            return
        try:
            socket.send_fds(self._channel, [json.dumps(message).encode() + b"\n"], list(fds))
        except OSError:
            return


def _enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    linux.leave_session_keyring()
    linux.unshare(_NAMESPACES)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    socket.sethostname(_HOST)
    linux.mount("devpts", "/dev/pts", "devpts", linux.MS_NOSUID | linux.MS_NOEXEC, _PTS_OPTIONS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH22x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
