"""Starting the program: a child without any descriptor, signal or privilege of the first process."""

from __future__ import annotations

import ctypes
import os
import signal

from .setup import Setup

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_INSTRUCTION = 8
_NOT_EXECUTED = 127
_PREFERRED_VICTIM = b"1000"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def be_dumpable(dumpable: bool) -> None:
    """Open or close this process's memory and descriptors to others of its user."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def start(setup: Setup, out: int, error: int) -> tuple[int, bytes]:
    """Start the program.

    Args:
        setup: The job.
        out: Its stdout.
        error: Its stderr.

    Returns:
        Process id, and why it could not be executed; empty when it could.
    """
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(setup, out, error, tell)
    os.close(tell)
    fault = b""
    while True:
        chunk = os.read(told, 4096)
        if not chunk:
            break
        fault += chunk
    os.close(told)
    return pid, fault


def _become(setup: Setup, out: int, error: int, tell: int) -> None:
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDONLY)
        for number, fd in enumerate((null, out, error)):
            os.dup2(fd, number)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        _be_preferred_victim()
        os.chdir(setup.directory)
        for program in setup.filters:
            _filter_calls(program)
        _execute(setup)
    except BaseException as fault:  # noqa: BLE001 - the border of the process: the lab must learn of it
        os.write(tell, _words(fault))
    finally:
        os._exit(_NOT_EXECUTED)


def _be_preferred_victim() -> None:
    # The program, not the first process, is to be killed when memory runs out.
    be_dumpable(True)
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(fd, _PREFERRED_VICTIM)
    os.close(fd)


def _filter_calls(program: bytes) -> None:
    filter_ = _Filter(len(program) // _INSTRUCTION, program)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_))


def _execute(setup: Setup) -> None:
    environment = dict(entry.split(b"=", 1) for entry in setup.environment)
    try:
        os.execvpe(setup.command[0], setup.command, environment)  # noqa: S606 - the container is for it
    except OSError as error:
        error.filename = None
        raise


def _words(fault: BaseException) -> bytes:
    if isinstance(fault, OSError) and fault.strerror:
        where = f"{os.fsdecode(fault.filename)}: " if fault.filename else ""
        return f"{where}{fault.strerror}".encode("utf-8", "replace")
    return f"{type(fault).__name__}: {fault}".encode("utf-8", "replace")


def _prctl(option: int, first: int, second: int = 0) -> None:
    if _libc.prctl(option, first, second, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")
