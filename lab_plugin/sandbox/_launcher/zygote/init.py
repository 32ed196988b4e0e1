"""The first two processes of a trial's PID namespace: its init, and the program's own."""

from __future__ import annotations

import os
import select
import signal
import traceback
from typing import NoReturn

from .. import linux, seccomp  # noqa: TID252 - inside, it has another name
from .program import Program

_PROC_FLAGS = linux.MS_NOSUID | linux.MS_NOEXEC | linux.MS_NODEV


def run_init(
    program: Program, streams: tuple[int, int], go: int, tell: int, held: tuple[int, int], calls: bytes
) -> Program:
    """Be the init and end with the program; returns in the program's own process.

    Args:
        program: What is to run.
        streams: stdout and stderr of the program.
        go: Read before the program starts; its end means never.
        tell: A byte of each process goes there when it is confined, or why it is not.
        held: A pipe that ends with the warden, and the lab's socket, whose end tells that all is over.
        calls: The filter of system calls.
    """
    try:
        return _begin(program, streams, go, tell, held, calls)
    except Exception:  # noqa: BLE001 - the border of two processes: the warden must learn of it
        os.write(tell, traceback.format_exc().encode())
        os._exit(1)


def _begin(
    program: Program, streams: tuple[int, int], go: int, tell: int, held: tuple[int, int], calls: bytes
) -> Program:
    linux.die_with_maker(signal.SIGKILL)
    linux.close_all_but({go, tell, *streams, *held})
    alive = select.poll()
    alive.register(held[0], 0)
    if alive.poll(0):
        os._exit(1)
    linux.mount("proc", "/proc", "proc", _PROC_FLAGS)
    os.setsid()
    main = os.fork()
    if main == 0:
        _confine(program, streams, go, tell, calls)
        return program
    # What the program sees as process 1 must not give it these descriptors.
    linux.set_dumpable(False)
    linux.close_all_but({tell, *held})
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.write(tell, b"i")
    os.close(tell)
    _reap_until(main)


def _reap_until(main: int) -> NoReturn:
    while True:
        pid, status = os.wait()
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
            # As a shell and bubblewrap tell a signal.
            os._exit(code if code >= 0 else 128 - code)


def _confine(program: Program, streams: tuple[int, int], go: int, tell: int, calls: bytes) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(streams[0], 1)
    os.dup2(streams[1], 2)
    # It may have been the lowest one, which `dup2` then left as it was.
    os.set_inheritable(0, True)
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
