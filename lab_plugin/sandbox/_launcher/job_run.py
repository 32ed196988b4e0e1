"""One job, from its start to its verified end."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from typing import Any, NamedTuple

from . import linux
from .bubblewrap import HANDED, BubblewrapStage
from .cgroup import Family
from .cgroup_group import Group
from .folders import FOLDER, TooDeep, remove_tree
from .launch import Child, NotStarted
from .mounts import LOGS
from .outputs import collect
from .plain import PlainStage
from .processes import end_descendants
from .request import Broken, Request, send
from .stage import Ended, Stage
from .streams import Stream
from .unlinked import unlinked_bytes
from .warm import WarmStage

_LOOK_SECONDS = 0.25
# bubblewrap or a warden, and the init of the namespace.
_MONITORING_PROCESSES = 2


class Machine(NamedTuple):
    """What all jobs of one spawner share.

    Attributes:
        calls: The filter of system calls.
        family: Where their control groups are made.
    """

    calls: bytes
    family: Family


class Ready(NamedTuple):
    """What is made for a job before it is known.

    Attributes:
        group: Its control group.
        child: Becomes its program.
    """

    group: Group
    child: Child


class JobRun:
    """One job on its stage.

    Args:
        request: The job.
        channel: Its own socket; the lab's hang-up ends the job.
        handed: A descriptor that came with the request; -1 for none.
        ready: What was made for it ahead.
        machine: What all jobs share.
    """

    def __init__(
        self, request: Request, channel: socket.socket, handed: int, ready: Ready, machine: Machine
    ) -> None:
        self._request = request
        self._channel = channel
        self._handed = handed
        self._group, self._child = ready
        self._machine = machine
        self._cause = ""
        self._grown_before = 0

    def run(self) -> dict[str, Any]:
        """Run it to its verified end; returns the report. Its group is left, and is empty.

        Raises:
            Refused: It can never run here.
            Broken: It may be run again.
            Unfit: It is for a new interpreter.
            Lost: It can be run with what is made anew.
        """
        group = self._group
        try:
            linux.name_process(self._request.name)
            extra = 0 if self._request.kind == "process" else _MONITORING_PROCESSES
            extra += bool(self._request.network_socket)
            group.restrict(self._request.memory_bytes, self._request.processes + extra, self._request.cpus)
            return self._on_stage(group)
        except BaseException:
            # Whatever went wrong above: the lab hears of it when nothing is alive any more.
            end_descendants()
            group.remove()
            raise

    def _on_stage(self, group: Group) -> dict[str, Any]:
        path = self._request.destination
        destination = os.open(path, FOLDER) if path else -1
        stage = self._make_stage(group, destination)
        if not path:
            # In the mount namespace that the stage made: it is gone with this process, however that ends.
            os.mkdir(LOGS)
            destination = os.open(LOGS, FOLDER)
        streams = (
            Stream(destination, "stdout.log", self._request.log_bytes),
            Stream(destination, "stderr.log", self._request.log_bytes),
        )
        try:
            ended, wall = self._play(stage, streams)
            return self._report(stage, group, destination, ended, wall)
        finally:
            stage.clear()

    def _make_stage(self, group: Group, destination: int) -> Stage:
        request, calls = self._request, self._machine.calls
        if request.kind == "process":
            return PlainStage(request, group, self._child, calls, destination)
        if request.kind == "warm":
            self._child.dismiss()
            return WarmStage(request, group, calls, self._handed, self._channel)
        if request.kind == "zygote":
            command = [*request.command, str(HANDED), *request.warm]
            return BubblewrapStage(request._replace(command=command), group, self._child, b"", self._handed)
        return BubblewrapStage(request, group, self._child, calls)

    def _play(self, stage: Stage, streams: tuple[Stream, Stream]) -> tuple[Ended, float]:
        self._grown_before = stage.grown.bytes()
        begun = time.monotonic()
        try:
            pidfd = stage.start(streams)
        except NotStarted as fault:
            for stream in streams:
                stream.close_write_end()
                stream.finish()
            return Ended(127, None, None, f"{self._request.command[0]}: {fault}"), 0.0
        for stream in streams:
            stream.close_write_end()
        send(self._channel, {"event": "started"}, pidfd)
        begun = begun if self._request.kind == "process" else time.monotonic()
        stage.release()
        self._watch(stage, streams, pidfd, begun + self._request.wall_seconds)
        ended = stage.finish()
        wall = time.monotonic() - begun
        for stream in streams:
            stream.finish()
        return ended, wall

    def _watch(self, stage: Stage, streams: tuple[Stream, Stream], pidfd: int, deadline: float) -> None:
        poll = select.poll()
        for fd in (pidfd, self._channel.fileno(), *(stream.read_end for stream in streams)):
            poll.register(fd, select.POLLIN)
        by_fd = {stream.read_end: stream for stream in streams}
        look = time.monotonic() + _LOOK_SECONDS if stage.grown.fds else deadline
        while True:
            # A kill is sent again each round: a fork may have been faster than the first.
            wait = 0.01 if self._cause else max(0.0, min(deadline, look) - time.monotonic())
            for fd, events in poll.poll(min(wait, 3600.0) * 1000 + 1):
                if fd == pidfd:
                    return
                if fd == self._channel.fileno():
                    self._cause = self._cause or "cancelled"
                    poll.unregister(fd)
                elif events & select.POLLIN:
                    by_fd[fd].pump()
                else:
                    poll.unregister(fd)
            now = time.monotonic()
            if now >= deadline:
                self._cause = self._cause or "timeout"
            elif stage.grown.fds and now >= look:
                # By what it costs: on a busy machine it may take long and cost little.
                begun = time.thread_time()
                self._look(stage)
                look = time.monotonic() + max(_LOOK_SECONDS, 20 * (time.thread_time() - begun))
            if self._cause:
                stage.kill(pidfd)

    def _look(self, stage: Stage) -> None:
        try:
            written = stage.grown.bytes() - self._grown_before
            written += unlinked_bytes(stage.grown.fds)
        except TooDeep:
            written = self._request.disk_bytes + 1
        if written > self._request.disk_bytes:
            self._cause = self._cause or "output"

    def _report(
        self, stage: Stage, group: Group, destination: int, ended: Ended, wall: float
    ) -> dict[str, Any]:
        usage = group.usage()
        if stage.grown.fds:
            self._look(stage)
        status, reason = self._status(stage, ended, usage.killed_for_memory)
        taken, refused = self._collect(stage, destination)
        return {
            "event": "ended",
            "cancelled": self._cause == "cancelled",
            "status": status,
            "reason": reason,
            "exit_code": ended.exit_code,
            "signal": ended.signal,
            "wall_seconds": wall,
            "cpu_seconds": ended.cpu_seconds if usage.cpu_seconds is None else usage.cpu_seconds,
            "peak_bytes": usage.peak_bytes,
            "controllers": sorted(group.controllers),
            "taken": taken,
            "refused": refused,
            "said": _last_line(destination) if self._request.kind == "zygote" else "",
        }

    def _status(self, stage: Stage, ended: Ended, killed_for_memory: bool) -> tuple[str, str]:
        request = self._request
        if killed_for_memory:
            return "memory", f"used more memory than {request.memory_bytes:,} bytes"
        if self._cause == "timeout":
            return "timeout", f"did not end within {request.wall_seconds:g} s"
        if self._cause == "output":
            return "output", f"wrote more than {request.disk_bytes:,} bytes"
        if ended.fault:
            return "failed", f"could not be executed: {ended.fault}"
        if ended.exit_code == 0:
            return "ok", ""
        if not self._cause and ended.exit_code is None and ended.signal is None:
            raise Broken("the sandbox was killed from outside")
        if stage.full():
            return "output", f"failed with its {request.disk_bytes:,} bytes of storage full"
        return "failed", _how(ended)

    def _collect(self, stage: Stage, destination: int) -> tuple[list[str], dict[str, str]]:
        request = self._request
        source = stage.outputs()
        try:
            # Only without a sandbox can a program have left something of that name.
            remove_tree(destination, "outputs")
            os.mkdir("outputs", 0o755, dir_fd=destination)
            target = os.open("outputs", FOLDER, dir_fd=destination)
            try:
                return collect(source, request.outputs, target, request.file_bytes, request.disk_bytes)
            finally:
                os.close(target)
        finally:
            os.close(source)


def _how(ended: Ended) -> str:
    if ended.signal is None:
        return f"exit status {ended.exit_code}"
    try:
        name = f" ({signal.Signals(ended.signal).name})"
    except ValueError:
        name = ""
    return f"ended by signal {ended.signal}{name}"


def _last_line(destination: int) -> str:
    with os.fdopen(os.open("stderr.log", os.O_RDONLY, dir_fd=destination), errors="replace") as file:
        lines = file.read().splitlines()
    return lines[-1] if lines else ""
