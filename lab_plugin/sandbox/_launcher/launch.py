"""Fork, restrict, execute."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Sequence

from . import linux
from .cgroup_group import Group
from .request import Request
from .streams import Stream

_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_OPEN_FILES = 16_384
_OOM_SCORE = "500"
MORE_FILE_SIZE = 1 << 16


class NotStarted(Exception):
    """The program could not be executed; its errno and the text for it."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


def launch(
    command: Sequence[str],
    environment: dict[str, str],
    streams: tuple[Stream, Stream],
    keep: Sequence[int],
    prepare: Callable[[], None],
) -> int:
    """Start a program in a session of its own; stdin is empty.

    Args:
        command: argv.
        environment: Its whole environment.
        streams: stdout and stderr.
        keep: Descriptors that it inherits besides.
        prepare: Called in the child, last before the program.

    Returns:
        Process id.

    Raises:
        NotStarted: No such program, or it may not be executed.
    """
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(command, environment, streams, keep, prepare, tell)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        fault = pipe.read()
    if fault:
        os.waitpid(pid, 0)
        number, _, text = fault.decode("utf-8", "replace").partition(" ")
        raise NotStarted(int(number), text)
    return pid


def restrict(request: Request, group: Group, processes: int | None) -> None:
    """Join the group and take resource limits, in the child.

    Args:
        request: The job.
        group: Its group; what no controller limits is limited per process.
        processes: Limit of processes of this user; None leaves it to the group.
    """
    group.join()
    # A machine short of memory then ends programs before the lab.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE)
    linux.leave_session_keyring()
    linux.limit(resource.RLIMIT_CORE, 0)
    linux.limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    # Above the size of the tmpfs, so that a full one is met first and says so.
    linux.limit(resource.RLIMIT_FSIZE, request.disk_bytes + MORE_FILE_SIZE)
    if "memory" not in group.controllers:
        linux.limit(resource.RLIMIT_DATA, request.memory_bytes)
    if "pids" not in group.controllers and processes is not None:
        linux.limit(resource.RLIMIT_NPROC, processes)
    os.umask(0o022)


def user_processes(request: Request) -> int | None:
    """What to limit processes to in a user namespace of the job's own; None where that counts others too."""
    # Counted per user namespace since Linux 5.14; the user's other processes would count before,
    # and with root all jobs of one role together.
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    return request.processes if request.uid is None and release >= (5, 14) else None


def _become(
    command: Sequence[str],
    environment: dict[str, str],
    streams: tuple[Stream, Stream],
    keep: Sequence[int],
    prepare: Callable[[], None],
    tell: int,
) -> None:
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(streams[0].write_end, 1)
        os.dup2(streams[1].write_end, 2)
        # All are closed on exec anyway; a program that got one of the launcher's could forge its own report.
        linux.close_all_but({0, 1, 2, tell, *keep})
        for fd in keep:
            os.set_inheritable(fd, True)
        for number in _DEFAULT_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        prepare()
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - the point of it
    except OSError as error:
        os.write(tell, f"{error.errno or 0} {error.strerror or error}".encode())
    finally:
        os._exit(127)
