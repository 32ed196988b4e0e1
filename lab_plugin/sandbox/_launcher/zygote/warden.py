"""The process around one trial: it enters the namespaces, and sees to it that they end.

It is no part of the program's PID namespace. It ends when the supervisor's socket does, the namespace's init
ends with it, and with the init every process of the program.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
from typing import Any, NoReturn

from .. import linux  # noqa: TID252 - inside, it has another name
from ..request import receive_with_fd  # noqa: TID252
from .init import run_init
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
        fault = _separate()
        _, fd = receive_with_fd(self._handover, 16)
        self._handover.close()
        if fd is None:
            os._exit(0)
        self._channel = socket.socket(fileno=fd)
        if fault is not None:
            raise fault
        entry, fds = self._receive()
        stdout, stderr, go, lab, tree, tmp, shm, *doors = fds
        self._tell({"event": "entered"}, os.pidfd_open(os.getpid()))
        for door in doors:
            os.write(door, b"0")
        linux.unshare(linux.CLONE_NEWCGROUP)
        _restrict(entry)
        for mounted, target in ((tree, "/lab"), (tmp, "/tmp"), (shm, "/dev/shm")):  # noqa: S108 - inside
            linux.attach(mounted, target)
        program = Program(entry["command"], entry["directory"], entry["environment"], self._interpreter)
        if names := program.shadowed():
            self._tell({"event": "unfit", "names": names})
            os._exit(0)
        told, tell = os.pipe()
        alive, _kept = os.pipe()
        init = os.fork()
        if init == 0:
            calls = bytes.fromhex(entry["calls"])
            return run_init(program, (stdout, stderr), go, tell, (alive, lab), calls)
        for fd in (tell, alive, stdout, stderr, go, tree, tmp, shm, *doors):
            os.close(fd)
        self._await_confined(told)
        pidfd = os.pidfd_open(init)
        self._tell({"event": "started"}, pidfd)
        self._watch(init, pidfd)

    def fail(self, text: str) -> NoReturn:
        """Tell the supervisor that the trial's place could not be made, and end."""
        self._tell({"event": "failed", "message": text})
        os._exit(1)

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        assert self._channel is not None
        space = socket.CMSG_LEN(_MAX_FDS * array.array("i").itemsize)
        line, ancillary, _, _ = self._channel.recvmsg(1 << 16, space, socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        while not line.endswith(b"\n"):
            chunk = self._channel.recv(1 << 16)
            if not chunk:
                os._exit(1)
            line += chunk
        return json.loads(line), list(fds)

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


def _restrict(entry: dict[str, Any]) -> None:
    limits = (
        (resource.RLIMIT_FSIZE, "file_size"),
        (resource.RLIMIT_DATA, "data"),
        (resource.RLIMIT_NPROC, "processes"),
    )
    for kind, name in limits:
        if entry[name] is not None:
            linux.limit(kind, entry[name])


def _separate() -> OSError | None:
    """Enter namespaces of the trial's own, all but that of control groups; what failed is for the trial."""
    try:
        _enter_namespaces()
    except OSError as error:
        return error
    return None


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
