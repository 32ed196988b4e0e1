"""The parent of all supervisors of one sandbox: forks them, reaps them, and cleans up after killed ones.

It keeps a copy of every job's socket until the job's supervisor is dead and nothing that it left is alive.
So the lab sees the end of that socket only then.

One supervisor stands by: it is forked while the job before runs, and has made its control group when the next
one comes.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from typing import NamedTuple

from . import cgroup, linux, processes, seccomp
from .job_run import Machine
from .request import receive_with_fd
from .supervisor import stand_by

# By then a short program has ended, and a longer one has begun: the fork takes no time from either.
_SPARE_AFTER_MS = 25


class _Entry(NamedTuple):
    channel: int
    pidfd: int
    group_name: str


class _Spare(NamedTuple):
    pid: int
    pidfd: int
    handover: socket.socket
    group_name: str


class Spawner:
    """Serves one control socket; each message on it carries the socket of one job.

    Args:
        control: The socket.
        machine: What all jobs share.
    """

    def __init__(self, control: socket.socket, machine: Machine) -> None:
        self._control = control
        self._machine = machine
        self._entries: dict[int, _Entry] = {}
        self._spare: _Spare | None = None
        self._token = f"{os.getpid()}-{time.monotonic_ns():x}"
        self._count = 0

    def serve(self) -> None:
        """Fork supervisors until the lab is gone and the last one has ended."""
        # What is copied out of one sandbox is read in the next by another user, whatever the lab's umask.
        os.umask(0o022)
        open_for_jobs = True
        while open_for_jobs or self._entries or self._spare:
            poll = select.poll()
            if open_for_jobs:
                poll.register(self._control, select.POLLIN)
            pids = {entry.pidfd: pid for pid, entry in self._entries.items()}
            if self._spare:
                pids[self._spare.pidfd] = self._spare.pid
            for pidfd in pids:
                poll.register(pidfd, select.POLLIN)
            wants_spare = open_for_jobs and not self._spare
            ready = poll.poll(_SPARE_AFTER_MS if wants_spare else None)
            if not ready:
                self._fork_spare()
            for fd, _ in ready:
                if fd in pids:
                    self._reap(pids[fd])
                else:
                    open_for_jobs = self._accept()

    def _accept(self) -> bool:
        message, channel = receive_with_fd(self._control, 16)
        if channel is not None:
            self._hand_over(channel)
        elif not message and self._spare:
            self._spare.handover.close()
        return bool(message)

    def _hand_over(self, channel: int) -> None:
        while True:
            spare = self._spare or self._fork_spare()
            try:
                socket.send_fds(spare.handover, [b"job"], [channel])
            except OSError:
                # It was killed while it stood by.
                self._reap(spare.pid)
            else:
                spare.handover.close()
                self._spare = None
                self._entries[spare.pid] = _Entry(channel, spare.pidfd, spare.group_name)
                return

    def _fork_spare(self) -> _Spare:
        self._count += 1
        group_name = f"{self._token}-{self._count}"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._become_supervisor(theirs, group_name)
        self._spare = _Spare(pid, os.pidfd_open(pid), ours, group_name)
        return self._spare

    def _become_supervisor(self, handover: socket.socket, group_name: str) -> None:
        status = 1
        # It does not live long enough to need a collection, which would copy pages that it shares.
        gc.disable()
        try:
            self._control.close()
            # A copy of another job's socket would hide that job's end from the lab.
            for entry in self._entries.values():
                os.close(entry.channel)
                os.close(entry.pidfd)
            stand_by(handover, group_name, self._machine)
            status = 0
        finally:
            os._exit(status)

    def _reap(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        if self._spare and pid == self._spare.pid:
            self._forget_spare(self._spare, status)
            return
        entry = self._entries.pop(pid)
        os.close(entry.pidfd)
        if status != 0:
            self._end_orphans()
            self._machine.family.remove(entry.group_name)
        os.close(entry.channel)

    def _forget_spare(self, spare: _Spare, status: int) -> None:
        self._spare = None
        spare.handover.close()
        os.close(spare.pidfd)
        if status != 0:
            self._machine.family.remove(spare.group_name)

    def _end_orphans(self) -> None:
        while True:
            table = processes.children()
            known = {*self._entries, self._spare.pid if self._spare else 0}
            orphans = [pid for pid in table.get(os.getpid(), ()) if pid not in known]
            if not orphans:
                return
            processes.kill(processes.below(orphans, table))
            for pid in orphans:
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.0005)


def main(descriptor: int) -> None:
    """Serve the control socket `descriptor` until the lab is gone."""
    # A Ctrl-C or hang-up of the terminal is for the lab, which then ends the jobs.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    linux.become_subreaper()
    machine = Machine(seccomp.program(), cgroup.open_family())
    machine.family.sweep()
    gc.freeze()
    with socket.socket(fileno=descriptor) as control:
        Spawner(control, machine).serve()
