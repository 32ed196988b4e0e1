"""A process that has imported what trials need, and forks one for each that asks."""

from __future__ import annotations

import gc
import os
import select
import signal
import site
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab_plugin.trial_process._engine import load
from lab_plugin.trial_process._wire import GO, READY, is_own, receive_request, send_status

IDLE_SECONDS = 600.0
"""Without a trial for so long, the nursery gives its memory back."""

_BACKLOG = 64
_PATIENCE_SECONDS = 30.0
_PACKAGE = Path(__file__).parents[1]


class Nursery:
    """Serves one worker: ends when it ends, when nothing is asked of it, and when the code has changed.

    Args:
        listener: Descriptor of the bound socket.
        worker: A pidfd of the worker.
    """

    def __init__(self, listener: int, worker: int) -> None:
        self._listener = socket.socket(fileno=listener)
        self._worker = worker
        os.set_inheritable(listener, False)
        os.set_inheritable(worker, False)

    def serve(self) -> None:
        """Serve; returns in each process that is a trial's, once it is as that trial's process should be.

        Raises:
            SystemExit: There is nothing more to serve.
        """
        before = _code()
        load()
        os.chdir("/")
        if threading.active_count() > 1:
            # What other threads hold at a fork is held for ever.
            sys.exit(1)
        gc.freeze()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self._listener.listen(_BACKLOG)
        poll = select.poll()
        for descriptor in (self._listener.fileno(), self._worker):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(IDLE_SECONDS * 1000)}
            if not ready or self._worker in ready or _code() != before:
                sys.exit(0)
            connection, _ = self._listener.accept()
            with connection:
                if is_own(connection) and os.fork() == 0:
                    self._listener.close()
                    os.close(self._worker)
                    _attend(connection)
                    return


def _attend(connection: socket.socket) -> None:
    """Stand between a trial's process and who asked for it; returns in that process alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        connection.settimeout(_PATIENCE_SECONDS)
        environment, folder, streams = receive_request(connection)
        connection.sendall(READY)
        # Who does not wait any more starts a process itself.
        if connection.recv(1) != GO:
            os._exit(0)
        connection.settimeout(None)
    except (OSError, ValueError, KeyError):
        os._exit(1)
    if (child := os.fork()) == 0:
        connection.close()
        _become(environment, folder, streams)
        return
    for descriptor in streams:
        os.close(descriptor)
    status = _status_of(child, connection)
    with suppress(OSError):
        send_status(connection, status)
    os._exit(0)


def _become(environment: dict[str, str], folder: str, streams: list[int]) -> None:
    os.setsid()
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _status_of(child: int, connection: socket.socket) -> int:
    """Pass signals on until the process has ended; without who asked for it, it is killed."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(connection.fileno(), select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if ended in ready:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signals = b""
        with suppress(OSError):
            signals = connection.recv(16)
        if not signals:
            poll.unregister(connection.fileno())
        for number in signals or bytes([signal.SIGKILL]):
            os.kill(child, number)


def _code() -> tuple[tuple[str, int], ...]:
    """What tells whether the code on the disk is still what was imported."""
    return tuple(sorted(_stamps()))


def _stamps() -> Iterator[tuple[str, int]]:
    for folder in (*site.getsitepackages(), site.getusersitepackages()):
        with suppress(OSError):
            yield folder, os.stat(folder).st_mtime_ns
    for root, _, files in os.walk(_PACKAGE, followlinks=True):
        for name in files:
            if name.endswith(".py"):
                with suppress(OSError):
                    path = os.path.join(root, name)
                    yield path, os.stat(path).st_mtime_ns
