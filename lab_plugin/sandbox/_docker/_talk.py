"""The talk with a container's first process, from its setup to its last frame."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox._docker._receiver import Receiver
from lab_plugin.sandbox._docker.inside import frames

_START_SECONDS = 120.0
_LATE_SECONDS = 20.0
_SILENT_SECONDS = 120.0
_LOOK_SECONDS = 0.25
_BEATS = 6
_READ = 1 << 18


class NeverBegan(SandboxUnavailable):
    """The container failed before its program was started."""


class Talk:
    """One talk.

    Args:
        connection: The container's streams, non-blocking.
        woken: Readable when the job is cancelled.
        receiver: Takes what comes out.
        wall_seconds: The program's limit, which the first process sees to.
        silence: Seconds after which the first process takes this one for dead.
        is_beyond: Whether the program has written too much; None where it cannot.

    Attributes:
        cause: What the host ended the program for: `timeout`, `output`, `cancelled`; empty otherwise.
    """

    def __init__(
        self,
        connection: socket.socket,
        woken: socket.socket,
        receiver: Receiver,
        wall_seconds: float,
        silence: float,
        is_beyond: Callable[[], bool] | None,
    ) -> None:
        self.cause = ""
        self._connection = connection
        self._woken = woken
        self._receiver = receiver
        self._patience = _Patience(wall_seconds)
        self._silence = silence
        self._is_beyond = is_beyond
        self._pending = b""
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self._beat_at = 0.0

    def hold(self, first: bytes) -> None:
        """Send `first`, then listen to the end: the last frame, a hang-up, or a cause to end it from here.

        Raises:
            SandboxUnavailable: The first process says nothing for too long; `NeverBegan` before the program.
            Malformed: It says what it never says.
        """
        self._pending = first
        while not (self._receiver.ended or self._receiver.broken):
            woken, readable, writable = self._wait()
            if woken:
                self.cause = "cancelled"
                return
            self._beat()
            if writable:
                self._push()
            if readable and not self._pull():
                return
            if not readable and self._patience.left() <= 0:
                self._lose_patience()
                return
            self._look()

    def _wait(self) -> tuple[bool, bool, bool]:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(self._connection, select.POLLIN | (select.POLLOUT if self._pending else 0))
        look = 3600.0 if self._is_beyond is None else self._look_at - time.monotonic()
        wait = max(0.0, min(self._patience.left(), look, self._beat_at - time.monotonic()))
        found = dict(poll.poll(wait * 1000 + 1))
        events = found.get(self._connection.fileno(), 0)
        writable = bool(events & select.POLLOUT)
        return self._woken.fileno() in found, bool(events & ~select.POLLOUT), writable

    def _beat(self) -> None:
        if time.monotonic() >= self._beat_at:
            self._pending = self._pending or frames.frame(frames.BEAT)
            self._beat_at = time.monotonic() + self._silence / _BEATS

    def _push(self) -> None:
        try:
            self._pending = self._pending[self._connection.send(self._pending) :]
        except (BrokenPipeError, ConnectionResetError):
            self._pending = b""

    def _pull(self) -> bool:
        try:
            data = self._connection.recv(_READ)
        except ConnectionResetError:
            return False
        self._receiver.feed(data)
        self._patience.heard(self._receiver)
        return bool(data)

    def _look(self) -> None:
        if self._is_beyond is None or self.cause or time.monotonic() < self._look_at:
            return
        # By what it costs: on a busy machine it may take long and cost little.
        begun = time.thread_time()
        if self._is_beyond():
            self.cause = "output"
            self._pending += frames.frame(frames.STOP)
        self._look_at = time.monotonic() + max(_LOOK_SECONDS, 20 * (time.thread_time() - begun))

    def _lose_patience(self) -> None:
        if not self._receiver.started or self._receiver.report is not None:
            kind = SandboxUnavailable if self._receiver.started else NeverBegan
            raise kind(
                "docker: a container's first process said nothing for too long",
                "Look at this machine's load, and at the engine's log (journalctl -u docker).",
            )
        self.cause = self.cause or "timeout"


class _Patience:
    """How long the first process may say nothing: it ends the program at its wall limit by itself."""

    def __init__(self, wall_seconds: float) -> None:
        self._wall = wall_seconds
        self._until = time.monotonic() + _START_SECONDS
        self._running = False

    def left(self) -> float:
        return self._until - time.monotonic()

    def heard(self, receiver: Receiver) -> None:
        if receiver.report is not None:
            self._until = time.monotonic() + _SILENT_SECONDS
        elif receiver.started and not self._running:
            self._running = True
            self._until = time.monotonic() + self._wall + _LATE_SECONDS
