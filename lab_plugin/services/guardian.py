"""Runs one service on the host, and ends all of it when the lab says so or is gone.

    python -I -S guardian.py CONTROL LOCK LAB

CONTROL and LOCK are descriptors: a unix stream socket to the lab, and a file lock that is held for as long
as anything of the service may be alive. LAB is the lab's process id. One file, the standard library only.

The first line from the lab is what to run (`Task`). Each later one is a question `[number, seconds]`, to be
answered once the readiness command ended or was killed after that time; without seconds it asks whether the
service is alive. The end of the socket asks for the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_KILL_SECONDS = 60.0
_PACE = 0.02
_CHUNK = 64 << 10


class Task(NamedTuple):
    """What to run.

    Attributes:
        command: argv of the service.
        ready: argv of the readiness command; empty for none.
        directory: Working directory of both.
        environment: Their whole environment.
        log: File that their output is appended to; what came before it is in `LOG.1`.
        log_bytes: Size that the two files together never pass.
        grace: Seconds between SIGTERM and SIGKILL.
        record: File to remove once all is dead.
    """

    command: list[str]
    ready: list[str]
    directory: str
    environment: dict[str, str]
    log: str
    log_bytes: int
    grace: float
    record: str


class Log:
    """Two files that together have a largest size; the newest output is always there."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._half = max_bytes // 2
        self._open()

    def write(self, data: bytes) -> None:
        """Append; a full disk loses output and nothing else."""
        with contextlib.suppress(OSError):
            if os.fstat(self._fd).st_size + len(data) > self._half:
                os.close(self._fd)
                os.replace(self._path, f"{self._path}.1")
                self._open()
            os.write(self._fd, data[-self._half :])

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)


class Guardian:
    """The parent of all that the service starts.

    Args:
        control: To the lab.
        lab: Its process; its end is the service's too.
    """

    def __init__(self, control: socket.socket, lab: int) -> None:
        self._control = control
        self._lab = lab
        self._unread = b""
        self._asked_to_end = False
        self._service: subprocess.Popen[bytes] | None = None
        self._probe: subprocess.Popen[bytes] | None = None
        self._probe_until = 0.0
        self._question = 0
        self._output, self._into = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._into, True)
        self._wake, alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            # Handlers, unlike SIG_IGN, are not inherited by what is executed.
            signal.signal(number, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._on_term)

    def run(self) -> None:
        """Run the service to its verified end."""
        first = self._first_line()
        if not first:
            return
        self._task = Task(**json.loads(first))
        self._log = Log(self._task.log, self._task.log_bytes)
        self._log.write(f"== started {time.strftime('%Y-%m-%dT%H:%M:%S%z')} ==\n".encode())
        try:
            self._service = self._start(self._task.command)
        except (OSError, subprocess.SubprocessError) as error:
            self._tell(event="not_started", reason=_reason(error))
        else:
            self._tell(event="started", pid=self._service.pid)
            while self._service.returncode is None and not self._asked_to_end:
                self._turn(self._patience())
                self._end_slow_probe()
        left = self._end()
        if not left:
            with contextlib.suppress(OSError):
                os.unlink(self._task.record)
        self._tell(event="gone", left=left)

    def _first_line(self) -> bytes:
        lines: list[bytes] = []
        while not lines and not self._asked_to_end:
            lines = self._receive()
        return lines[0] if lines else b""

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._task.directory,
            env=self._task.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._into,
            stderr=self._into,
            start_new_session=True,
            preexec_fn=_with_parent(os.getpid()),
        )

    def _turn(self, seconds: float | None) -> None:
        """Wait for something, and do what there is."""
        poll = select.poll()
        for fd in (self._output, self._wake, self._lab):
            poll.register(fd, select.POLLIN)
        if not self._asked_to_end:
            poll.register(self._control, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if self._output in ready:
            self._drain()
        if self._wake in ready:
            os.read(self._wake, _CHUNK)
        self._reap()
        if self._lab in ready:
            self._asked_to_end = True
        elif self._control.fileno() in ready:
            for line in self._receive():
                self._answer(line)

    def _patience(self) -> float | None:
        return None if self._probe is None else max(0.0, self._probe_until - time.monotonic()) + _PACE

    def _receive(self) -> list[bytes]:
        try:
            data = self._control.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._asked_to_end = True
        *lines, self._unread = (self._unread + data).split(b"\n")
        return lines

    def _answer(self, line: bytes) -> None:
        number, seconds = json.loads(line)
        if seconds is None:
            self._tell(event="answer", number=number)
            return
        try:
            self._probe = self._start(self._task.ready)
            self._probe_until, self._question = time.monotonic() + seconds, number
        except (OSError, subprocess.SubprocessError) as error:
            self._tell(event="answer", number=number, status=None, reason=_reason(error))

    def _end_slow_probe(self) -> None:
        if self._probe is not None and time.monotonic() > self._probe_until:
            # It is a session of its own; what left that is ended with the service.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._probe.pid, signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if self._probe is not None and pid == self._probe.pid:
                self._probe.returncode, self._probe = code, None
                self._tell(event="answer", number=self._question, status=code, reason="")
            elif self._service is not None and pid == self._service.pid:
                self._service.returncode = code
                self._drain()
                self._tell(event="ended", status=code)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._log.write(os.read(self._output, _CHUNK))

    def _end(self) -> list[int]:
        """End every process; returns those that could not be ended."""
        began = time.monotonic()
        self._asked_to_end = True
        _signal_descendants(signal.SIGTERM)
        while _has_children():
            spent = time.monotonic() - began
            if spent > self._task.grace + _KILL_SECONDS:
                return _descendants()
            if spent > self._task.grace:
                _signal_descendants(signal.SIGKILL)
            self._pause()
        return []

    def _pause(self) -> None:
        time.sleep(_PACE)
        self._drain()
        self._reap()

    def _tell(self, **message: Any) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _on_term(self, number: int, frame: object) -> None:
        self._asked_to_end = True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _with_parent(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(127)

    return prepare


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal_descendants(number: int) -> None:
    for pid in _descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _descendants() -> list[int]:
    table: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                table.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(int(name))
    found = list(table.get(os.getpid(), ()))
    for pid in found:
        found += table.get(pid, ())
    return found


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def main(control: int, lock: int, lab: int) -> int:
    """Guard one service; returns 0 once nothing of it is alive."""
    for fd in (control, lock):
        os.set_inheritable(fd, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        pidfd = os.pidfd_open(lab)
    except ProcessLookupError:
        return 0
    with socket.socket(fileno=control) as channel:
        Guardian(channel, pidfd).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:4])))
