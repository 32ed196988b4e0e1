"""One job, from its request to its verified end. Runs in a process of its own and is then gone."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
import traceback
from typing import Any, NamedTuple

from . import linux
from .bubblewrap import BubblewrapStage
from .cgroup import Family
from .cgroup_group import Group
from .folders import FOLDER, TooDeep, disk_usage, remove_tree
from .launch import NotStarted
from .outputs import collect
from .plain import PlainStage
from .processes import end_descendants
from .request import Broken, Refused, Request, receive, send
from .stage import Ended, Stage
from .streams import Stream
from .unlinked import unlinked_bytes

_LOOK_SECONDS = 0.25
_BUBBLEWRAP_PROCESSES = 2


class Machine(NamedTuple):
    """What all jobs of one spawner share.

    Attributes:
        calls: The filter of system calls.
        family: Where their control groups are made.
    """

    calls: bytes
    family: Family


def supervise(channel: socket.socket, group_name: str, machine: Machine) -> None:
    """Do the one job that comes over `channel`, and report.

    Args:
        channel: The job's own socket; the lab's hang-up ends the job.
        group_name: For its control group.
        machine: What all jobs share.
    """
    request = receive(channel)
    if request is None:
        return
    send(channel, {"event": "accepted"})
    try:
        report = _Job(request, channel, group_name, machine).run()
    except Broken as fault:
        report = {"event": "broken", "message": fault.message, "remedy": fault.remedy}
    except Refused as fault:
        report = {"event": "refused", "message": fault.message, "remedy": fault.remedy}
    except Exception:  # noqa: BLE001 - the border of the process: the lab must learn of it
        report = {"event": "broken", "message": f"supervisor failed:\n{traceback.format_exc()}", "remedy": ""}
    send(channel, report)


class _Job:
    def __init__(self, request: Request, channel: socket.socket, group_name: str, machine: Machine) -> None:
        self._request = request
        self._channel = channel
        self._group_name = group_name
        self._machine = machine
        self._cause = ""
        self._grown_before = 0

    def run(self) -> dict[str, Any]:
        linux.name_process(self._request.name)
        linux.become_subreaper()
        destination = os.open(self._request.destination, FOLDER)
        group = self._machine.family.create(self._group_name)
        try:
            extra = _BUBBLEWRAP_PROCESSES if self._request.kind == "bubblewrap" else 0
            extra += bool(self._request.network_socket)
            group.restrict(self._request.memory_bytes, self._request.processes + extra, self._request.cpus)
            return self._on_stage(group, destination)
        finally:
            # Whatever went wrong above: the lab hears of it when nothing is alive any more.
            end_descendants()
            group.remove()

    def _on_stage(self, group: Group, destination: int) -> dict[str, Any]:
        stage: Stage
        if self._request.kind == "bubblewrap":
            stage = BubblewrapStage(self._request, group, self._machine.calls)
        else:
            stage = PlainStage(self._request, group, self._machine.calls, destination)
        streams = (
            Stream(destination, "stdout.log", self._request.log_bytes),
            Stream(destination, "stderr.log", self._request.log_bytes),
        )
        try:
            ended, wall = self._play(stage, streams)
            return self._report(stage, group, destination, ended, wall)
        finally:
            stage.clear()

    def _play(self, stage: Stage, streams: tuple[Stream, Stream]) -> tuple[Ended, float]:
        self._grown_before = sum(disk_usage(fd) for fd in stage.grown)
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
        look = time.monotonic() + _LOOK_SECONDS if stage.grown else deadline
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
            elif stage.grown and now >= look:
                self._look(stage)
                look = time.monotonic() + max(_LOOK_SECONDS, 20 * (time.monotonic() - now))
            if self._cause:
                stage.kill(pidfd)

    def _look(self, stage: Stage) -> None:
        try:
            written = sum(disk_usage(fd) for fd in stage.grown) - self._grown_before
            written += unlinked_bytes(stage.grown)
        except TooDeep:
            written = self._request.disk_bytes + 1
        if written > self._request.disk_bytes:
            self._cause = self._cause or "output"

    def _report(
        self, stage: Stage, group: Group, destination: int, ended: Ended, wall: float
    ) -> dict[str, Any]:
        usage = group.usage()
        if stage.grown:
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
            raise Broken("bubblewrap was killed from outside")
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
