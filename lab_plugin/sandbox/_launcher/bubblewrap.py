"""A program in namespaces of its own, made by bubblewrap, ended through their init."""

from __future__ import annotations

import json
import os
import select
import signal
import time

from .bubblewrap_arguments import arguments
from .cgroup_group import Group
from .folders import FOLDER
from .launch import FIRST_KEPT, Child, NotStarted, Orders, limits, user_processes
from .mounts import SCRATCH, build, namespaces, namespaces_remedy, separate
from .request import Broken, Request
from .rules import open_grown, require_unmoved
from .stage import Ended, Stage
from .streams import Stream

_START_SECONDS = 30.0
_STATUS, _BLOCK, _CALLS = range(FIRST_KEPT, FIRST_KEPT + 3)
HANDED = _CALLS
"""The number of what is handed to a program without a filter of system calls."""
_NOT_EXECUTED = "bwrap: execvp "


class BubblewrapStage(Stage):
    """One job in bubblewrap.

    Args:
        request: The job.
        group: Its group.
        child: Becomes bubblewrap.
        calls: The filter of system calls; empty for the warm interpreter, whose forks make namespaces.
        handed: A descriptor that the program gets as `HANDED`; -1 for none.
    """

    def __init__(self, request: Request, group: Group, child: Child, calls: bytes, handed: int = -1) -> None:
        self._request = request
        self._child = child
        self._calls = calls
        self._handed = handed
        self._group = group
        self._bwrap = self._status = self._block = -1
        self._stderr: Stream | None = None
        separate()
        self._view = build(request)
        self._scratch = os.open(SCRATCH, FOLDER)
        self.grown = open_grown(self._view.places)

    def start(self, streams: tuple[Stream, Stream]) -> int:
        """See `Stage.start`: the pidfd of the namespace's init, which waits for `release`."""
        self._stderr = streams[1]
        self._status, status = os.pipe()
        block, self._block = os.pipe()
        keep = [status, block, _filled_pipe(self._calls) if self._calls else self._handed]
        entered = namespaces()
        try:
            self._bwrap = self._child.become(self._orders(), streams, namespaces=entered, keep=keep)
        except NotStarted as fault:
            raise Broken(
                f"{self._request.bwrap}: {fault}", "Install bubblewrap: sudo apt-get install bubblewrap"
            ) from None
        finally:
            for fd in (*keep, *entered):
                os.close(fd)
        return self._init()

    def release(self) -> None:
        """See `Stage.release`."""
        os.write(self._block, b"x")
        os.close(self._block)

    def finish(self) -> Ended:
        """See `Stage.finish`: reap bubblewrap, which ends with its init."""
        pidfd = os.pidfd_open(self._bwrap)
        if not select.select([pidfd], [], [], _START_SECONDS)[0]:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        cpu = _reap_all()
        require_unmoved(self._view.workspace, self._view.places)
        return self._ended(cpu)

    def outputs(self) -> int:
        """See `Stage.outputs`."""
        return os.open("outputs", FOLDER, dir_fd=self._scratch)

    def full(self) -> bool:
        """See `Stage.full`."""
        status = os.fstatvfs(self._scratch)
        return status.f_bavail == 0 or status.f_favail == 0

    def clear(self) -> None:
        """See `Stage.clear`: all storage goes with the mount namespace."""

    def _ended(self, cpu: float) -> Ended:
        code = None
        for line in _read_all(self._status).splitlines():
            code = json.loads(line).get("exit-code", code)
        head = self._said()
        if code is None and head.startswith(_NOT_EXECUTED):
            return Ended(127, None, cpu, head[len(_NOT_EXECUTED) :])
        if code is None:
            return Ended(None, None, cpu, "")
        # bubblewrap tells a signal as a shell does.
        if 128 < code <= 128 + signal.NSIG:
            return Ended(None, code - 128, cpu, "")
        return Ended(code, None, cpu, "")

    def _init(self) -> int:
        data = b""
        deadline = time.monotonic() + _START_SECONDS
        while b"\n" not in data:
            ready, _, _ = select.select([self._status], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self._status, 4096) if ready else b""
            if not chunk:
                raise self._not_started("it did not start a namespace")
            data += chunk
        pid = int(json.loads(data.splitlines()[0])["child-pid"])
        # The init waits for the block descriptor, so its id cannot have passed to another process;
        # the check of its parent proves it.
        try:
            fd = os.pidfd_open(pid)
            with open(f"/proc/{pid}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            raise self._not_started("its init ended early") from None
        if parent != self._bwrap:
            raise self._not_started("its init ended early")
        return fd

    def _not_started(self, what: str) -> Broken:
        os.kill(self._bwrap, signal.SIGKILL)
        os.waitpid(self._bwrap, 0)
        return Broken(f"bubblewrap: {self._said() or what}", namespaces_remedy())

    def _said(self) -> str:
        assert self._stderr is not None
        while self._stderr.pump():
            pass
        return self._stderr.head.decode("utf-8", "replace").strip()

    def _orders(self) -> Orders:
        request = self._request
        calls = _CALLS if self._calls else -1
        return Orders(
            command=arguments(request, self._view.binds, _STATUS, _BLOCK, calls),
            environment={},
            directory="/",
            limits=limits(request, self._group, user_processes(request)),
            uid=request.uid,
        )


def _reap_all() -> float:
    cpu = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return cpu
        cpu += usage.ru_utime + usage.ru_stime


def _filled_pipe(data: bytes) -> int:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(data)
    return read_end


def _read_all(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as pipe:
        return pipe.read()
