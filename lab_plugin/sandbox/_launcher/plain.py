"""A program as a plain process of this user: limited and ended with all its descendants, not contained."""

from __future__ import annotations

import os

from .cgroup_group import Group
from .folders import FOLDER, remove_tree
from .grown import Grown
from .launch import Child, Orders, limits
from .layout import PROGRAMS, Layout, python_script, variables
from .processes import end_descendants, kill_descendants
from .request import Request
from .rules import writable_roots
from .stage import Ended, Stage
from .streams import Stream

_SCRATCH = "scratch"


class PlainStage(Stage):
    """One job as a plain process."""

    def __init__(self, request: Request, group: Group, child: Child, calls: bytes, destination: int) -> None:
        self._request = request
        self._child = child
        self._calls = calls
        self._group = group
        self._destination = destination
        self._main = -1
        os.mkdir(_SCRATCH, 0o700, dir_fd=destination)
        self._scratch = os.open(_SCRATCH, FOLDER, dir_fd=destination)
        for name in ("outputs", "tmp", "bin"):
            os.mkdir(name, 0o700, dir_fd=self._scratch)
        roots = [f"{request.workspace}/{relative}" for relative in writable_roots(request.rules)]
        self.grown = Grown([self._scratch, *(os.open(root, os.O_RDONLY | os.O_NOFOLLOW) for root in roots)])

    def start(self, streams: tuple[Stream, Stream]) -> int:
        """See `Stage.start`; the program runs at once."""
        request = self._request
        orders = Orders(
            command=request.command,
            environment=variables(request, self._layout()),
            directory=f"{request.workspace}/{request.directory}",
            limits=limits(request, self._group, self._processes()),
            calls=self._calls.hex(),
        )
        self._main = self._child.become(orders, streams)
        return os.pidfd_open(self._main)

    def kill(self, pidfd: int) -> None:
        """See `Stage.kill`."""
        self._group.freeze_forks()
        kill_descendants()
        super().kill(pidfd)

    def finish(self) -> Ended:
        """See `Stage.finish`."""
        self._group.freeze_forks()
        status, cpu = end_descendants(self._main)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, None, cpu, "") if code >= 0 else Ended(None, -code, cpu, "")

    def outputs(self) -> int:
        """See `Stage.outputs`."""
        return os.open("outputs", FOLDER, dir_fd=self._scratch)

    def clear(self) -> None:
        """See `Stage.clear`."""
        remove_tree(self._destination, _SCRATCH)

    def _processes(self) -> int | None:
        # The limit counts all that this user runs; looking for it takes longer than all else here.
        return None if "pids" in self._group.controllers else _tasks_of_user() + self._request.processes

    def _layout(self) -> Layout:
        scratch = f"{self._request.destination}/{_SCRATCH}"
        programs = "" if self._request.python_named else f"{scratch}/bin"
        if programs:
            for name in PROGRAMS:
                fd = os.open(f"bin/{name}", os.O_WRONLY | os.O_CREAT, 0o755, dir_fd=self._scratch)
                with os.fdopen(fd, "w") as file:
                    file.write(python_script(self._request.python))
        return Layout(
            self._request.workspace,
            f"{scratch}/outputs",
            f"{scratch}/tmp",  # noqa: S108 - in the job's own folder
            programs,
            dict(self._request.inputs),
        )


def _tasks_of_user() -> int:
    uid = os.getuid()
    count = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.stat(f"/proc/{entry}").st_uid == uid:
                    count += len(os.listdir(f"/proc/{entry}/task"))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return count
