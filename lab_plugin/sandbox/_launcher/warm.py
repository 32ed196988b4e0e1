"""A program in a fork of the warm interpreter, in namespaces that the fork's warden makes."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from typing import Any

from .cgroup_group import Group
from .grown import Grown
from .launch import MORE_FILE_SIZE, user_processes
from .layout import variables
from .mounts import WORKSPACE, namespaces_remedy, separate
from .request import Broken, Lost, Request, receive_with_fd, send
from .stage import Ended, Stage
from .streams import Stream
from .warm_view import build_warm, layout

_SECONDS = 30.0


class Unfit(Exception):
    """A new interpreter would find other modules than the warm one has: the job is for a new one."""


class WarmStage(Stage):
    """One job in a fork of the warm interpreter.

    Args:
        request: The job.
        group: Its group.
        calls: The filter of system calls.
        zygote: The warm interpreter's control socket.
        lab: The lab's socket, which the trial's processes hold open until they have ended.
    """

    def __init__(self, request: Request, group: Group, calls: bytes, zygote: int, lab: socket.socket) -> None:
        self._request = request
        self._group = group
        self._calls = calls
        self._zygote = zygote
        self._lab = lab
        self._warden = -1
        self._go = -1
        self._buffer = b""
        self.grown = Grown([])
        # The warden makes itself ready while the view is put together.
        self._channel = self._call_warden()
        separate()
        self._view = build_warm(request)

    def start(self, streams: tuple[Stream, Stream]) -> int:
        """See `Stage.start`: the pidfd of the namespace's init.

        Raises:
            Unfit: The job is for a new interpreter.
            Lost: It is for another warm one.
        """
        go, self._go = os.pipe()
        doors = self._group.doors()
        view = self._view
        fds = [streams[0].write_end, streams[1].write_end, go, self._lab.fileno()]
        fds += [view.lab, view.temporary, view.shared, *doors]
        try:
            send(self._channel, self._entry(), *fds)
            self._warden = self._await("entered")
            return self._await("started")
        except OSError as error:
            raise Lost(f"it does not answer: {error}") from None
        finally:
            for fd in (go, view.lab, view.temporary, view.shared, *doors):
                os.close(fd)

    def release(self) -> None:
        """See `Stage.release`."""
        os.write(self._go, b"x")
        os.close(self._go)
        self._go = -1

    def finish(self) -> Ended:
        """See `Stage.finish`: the warden reaps the init, and ends after it."""
        # The warden, of which the program never knew, ends while the outputs are taken.
        ended = self._receive()[0]
        code, cpu = ended.get("exit_code"), ended.get("cpu_seconds")
        # The init tells a signal as a shell does.
        if code is not None and 128 < code <= 128 + signal.NSIG:
            return Ended(None, code - 128, cpu, "")
        return Ended(code, None, cpu, "")

    def outputs(self) -> int:
        """See `Stage.outputs`."""
        return os.open("outputs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._view.scratch)

    def full(self) -> bool:
        """See `Stage.full`."""
        status = os.fstatvfs(self._view.scratch)
        return status.f_bavail == 0 or status.f_favail == 0

    def clear(self) -> None:
        """See `Stage.clear`: a warden that was not done sees the end of its socket."""
        if self._go >= 0:
            os.close(self._go)
        self._channel.close()
        self._await_warden()

    def _call_warden(self) -> socket.socket:
        channel, other = socket.socketpair()
        channel.settimeout(_SECONDS)
        try:
            with other, socket.socket(fileno=os.dup(self._zygote)) as control:
                socket.send_fds(control, [b"trial"], [other.fileno()], socket.MSG_DONTWAIT)
        except OSError as error:
            raise Lost(f"it does not answer: {error}") from None
        return channel

    def _entry(self) -> dict[str, Any]:
        request, controllers = self._request, self._group.controllers
        directory = os.path.normpath(f"{WORKSPACE}/{request.directory}")
        return {
            "command": request.command,
            "directory": directory,
            # bubblewrap says so too.
            "environment": {**variables(request, layout(request)), "PWD": directory},
            "file_size": request.disk_bytes + MORE_FILE_SIZE,
            "data": None if "memory" in controllers else request.memory_bytes,
            "processes": None if "pids" in controllers else user_processes(request),
            "calls": self._calls.hex(),
        }

    def _await(self, event: str) -> int:
        message, fd = self._receive()
        if message.get("event") == event and fd is not None:
            return fd
        if message.get("event") == "unfit":
            raise Unfit(", ".join(message["names"]))
        if message.get("event") == "failed":
            raise Broken(f"a trial's namespaces cannot be made:\n{message['message']}", namespaces_remedy())
        raise Lost("it was killed")

    def _receive(self) -> tuple[dict[str, Any], int | None]:
        found = None
        while b"\n" not in self._buffer:
            try:
                data, fd = receive_with_fd(self._channel, 1 << 16)
            except ConnectionResetError:
                data, fd = b"", None
            found = found if fd is None else fd
            if not data:
                return {}, found
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line), found

    def _await_warden(self) -> None:
        if self._warden < 0:
            return
        deadline = time.monotonic() + _SECONDS
        while not select.select([self._warden], [], [], 0.5)[0]:
            signal.pidfd_send_signal(self._warden, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise Broken("processes of the job cannot be killed", "Look for processes in state D.")
        os.close(self._warden)
        self._warden = -1
