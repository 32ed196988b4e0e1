"""The side of a trial that the worker sees: it stands for a process of the nursery, or has one started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from lab_plugin.trial_process._wire import (
    GO,
    READY,
    address,
    is_own,
    own_variables,
    receive_status,
    send_request,
)

_CONNECT_SECONDS, _READY_SECONDS = 2.0, 30.0
_LOST_STATUS = 1
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_in_nursery() -> None:
    """Run this process's trial in the nursery; returns where none took it: nothing was started then.

    Raises:
        SystemExit: The run is over.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(address(os.getppid()))
            if not is_own(connection):
                return
            connection.settimeout(_READY_SECONDS)
            send_request(connection)
            if connection.recv(1) != READY:
                return
            connection.settimeout(None)
            _go(connection)
        except OSError:
            return
        try:
            status = receive_status(connection)
        except OSError:
            status = _LOST_STATUS
    _end_as(status)


def start_nursery() -> None:
    """Have a nursery for the worker's next trials, which ends with the worker; never fails."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # Who has the name serves it; it answers nobody until it has imported all.
        listener.bind(address(os.getppid()))
        worker = os.pidfd_open(os.getppid())
        try:
            subprocess.Popen(
                [sys.executable, "-m", "lab_plugin.trial_process", str(listener.fileno()), str(worker)],
                env=own_variables(os.environ),
                pass_fds=(listener.fileno(), worker),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(worker)


def _go(connection: socket.socket) -> None:
    """Have the trial started; a signal that comes meanwhile is held, and passed on to it."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    try:
        connection.sendall(GO)
        _forward_signals(connection)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _forward_signals(connection: socket.socket) -> None:
    def forward(number: int, frame: FrameType | None) -> None:
        with suppress(OSError):
            connection.send(bytes([number]))

    for number in _FORWARDED:
        signal.signal(number, forward)


def _end_as(status: int) -> NoReturn:
    """End as the worker would see it of the process itself."""
    if status < 0:
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
