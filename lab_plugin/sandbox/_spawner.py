"""The lab's side of the launcher: starting it, and talking with one supervisor per job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox._launcher import cgroup
from lab_plugin.sandbox._launcher.request import Request, receive_with_fd

_FOLDER = Path(__file__).parent
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from _launcher.spawner import main; main(int(sys.argv[2]))"
)
_ATTEMPTS = 3


class Spawner:
    """One launcher process, started when first needed and again when it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def run(self, request: Request, handed: int = -1) -> dict[str, Any]:
        """Run one job to its verified end.

        Args:
            request: The job.
            handed: Descriptor for its supervisor; -1 for none.

        Returns:
            The supervisor's last message.

        Raises:
            SandboxUnavailable: The launcher was killed; everything of the job is dead.
            asyncio.CancelledError: Cancelled; likewise.
        """
        for _ in range(_ATTEMPTS):
            conversation = Conversation(self.connect())
            report = await conversation.hold(request, handed)
            if report is not None and (report["event"] != "lost" or handed >= 0):
                return report
            if report is None and conversation.accepted:
                break
        # Where the spawner was killed too, nobody else removes what a plain process left.
        cgroup.open_family().sweep()
        raise SandboxUnavailable(
            f"the sandbox's launcher was killed while {request.name} ran",
            "Run it again; look for an OOM kill.",
        )

    async def close(self) -> None:
        """End the launcher, once its jobs have ended. Idempotent."""
        process, self._process = self._process, None
        if self._control is not None:
            self._control.close()
            self._control = None
        if process is not None:
            pidfd = os.pidfd_open(process.pid)
            try:
                await _readable(pidfd)
            finally:
                os.close(pidfd)
            process.wait()

    def connect(self) -> socket.socket:
        """A socket to a supervisor that waits for its job; the caller closes it.

        Raises:
            SandboxUnavailable: The launcher cannot be started.
        """
        for _ in range(_ATTEMPTS):
            control = self._started()
            try:
                return _take_offer(control) or _ask(control)
            except (BrokenPipeError, ConnectionResetError, ConnectionRefusedError):
                self._forget()
        raise SandboxUnavailable("the sandbox's launcher cannot be started", "Its error output says why.")

    def _started(self) -> socket.socket:
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-E", "-c", _START, str(_FOLDER), str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._control = ours
        return self._control

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Conversation:
    """The talk with one supervisor over the job's own socket, whose hang-up ends the job.

    Args:
        channel: The socket.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._channel.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._pidfd = -1
        self._buffer = b""
        self._cancelled = False
        self._report: dict[str, Any] | None = None
        self.accepted = False

    async def hold(self, request: Request, handed: int = -1) -> dict[str, Any] | None:
        """Send the request and wait for the report; None when the supervisor went without one."""
        return await self._talk(request, handed)

    async def end(self) -> dict[str, Any] | None:
        """End a job whose request was sent before, and wait for the report, as `hold` does."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        return await self._talk(None, -1)

    async def _talk(self, request: Request | None, handed: int) -> dict[str, Any] | None:
        self._loop.add_reader(self._channel, self._receive)
        try:
            if request is not None:
                await self._send(request, handed)
            await self._wait(self._over)
            if self._report is None and self._pidfd >= 0:
                await self._end_init()
        finally:
            self._loop.remove_reader(self._channel)
            self._channel.close()
            if self._pidfd >= 0:
                os.close(self._pidfd)
        if self._cancelled:
            raise asyncio.CancelledError
        return self._report

    async def _send(self, request: Request, handed: int) -> None:
        line = json.dumps(request._asdict()).encode() + b"\n"
        try:
            if handed >= 0:
                line = line[socket.send_fds(self._channel, [line], [handed]) :]
            await self._loop.sock_sendall(self._channel, line)
        except asyncio.CancelledError:
            self._hang_up()
        except (BrokenPipeError, ConnectionResetError):
            return

    async def _wait(self, future: asyncio.Future[None]) -> None:
        # A cancelled caller still waits: the contract is that nothing is alive when `run` ends.
        while not future.done():
            try:
                await asyncio.shield(future)
            except asyncio.CancelledError:
                self._hang_up()

    def _hang_up(self) -> None:
        self._cancelled = True
        try:
            self._channel.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _receive(self) -> None:
        try:
            data, fd = receive_with_fd(self._channel, 1 << 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data, fd = b"", None
        if fd is not None:
            self._pidfd = fd
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.accepted = True
            if message["event"] not in ("accepted", "started"):
                self._report = message
        if (self._report is not None or not data) and not self._over.done():
            self._loop.remove_reader(self._channel)
            self._over.set_result(None)

    async def _end_init(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        await self._wait(_readable(self._pidfd))


def _take_offer(control: socket.socket) -> socket.socket | None:
    """The socket to a supervisor that stands by; None where none does."""
    try:
        message, channel = receive_with_fd(control, 16, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    if not message or channel is None:
        raise ConnectionResetError
    ours = socket.socket(fileno=channel)
    try:
        control.send(message)
    except OSError:
        ours.close()
        raise
    return ours


def _ask(control: socket.socket) -> socket.socket:
    """A socket to a supervisor that is yet to be forked."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        try:
            socket.send_fds(control, [b"job"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours


def _readable(fd: int) -> asyncio.Future[None]:
    """Done once `fd` is readable; the caller keeps `fd` open until then."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def done() -> None:
        loop.remove_reader(fd)
        if not future.done():
            future.set_result(None)

    loop.add_reader(fd, done)
    return future
