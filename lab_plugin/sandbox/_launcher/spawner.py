"""The parent of all supervisors of one sandbox: forks them, reaps them, and cleans up after killed ones.

It keeps a copy of every job's socket until the job's supervisor is dead and nothing that it left is alive.
So the lab sees the end of that socket only then.

One supervisor stands by: it is forked while the job before runs, its socket is sent to the lab, and it has
made ready what every job needs when the next one comes.
"""

from __future__ import annotations

import contextlib
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
_SPARE_AFTER_MS = 12


class _Entry(NamedTuple):
    channel: int
    pidfd: int
    group_name: str


class Spawner:
    """Serves one control socket.

    A message on it carries the socket of a job. One without is an offer that the lab has taken: the id
    of the supervisor that stands by, with which its socket was sent.

    Args:
        control: The socket.
        machine: What all jobs share.
    """

    def __init__(self, control: socket.socket, machine: Machine) -> None:
        self._control = control
        self._machine = machine
        self._entries: dict[int, _Entry] = {}
        self._offered = 0
        self._token = f"{os.getpid()}-{time.monotonic_ns():x}"
        self._count = 0

    def serve(self) -> None:
        """Fork supervisors until the lab is gone and the last one has ended."""
        # What is copied out of one sandbox is read in the next by another user, whatever the lab's umask.
        os.umask(0o022)
        open_for_jobs = True
        while open_for_jobs or self._entries:
            poll = select.poll()
            if open_for_jobs:
                poll.register(self._control, select.POLLIN)
            pids = {entry.pidfd: pid for pid, entry in self._entries.items()}
            for pidfd in pids:
                poll.register(pidfd, select.POLLIN)
            ready = poll.poll(_SPARE_AFTER_MS if open_for_jobs and not self._offered else None)
            if not ready:
                self._offer()
            for fd, _ in ready:
                if fd in pids:
                    self._reap(pids[fd])
                else:
                    open_for_jobs = self._accept()

    def _accept(self) -> bool:
        try:
            message, channel = receive_with_fd(self._control, 16)
        except ConnectionResetError:
            # The lab left without having looked at the offer.
            message, channel = b"", None
        if channel is not None:
            self._fork(channel)
        elif message == str(self._offered).encode():
            # Another one was of a supervisor that was killed, and in whose place one stands by already.
            self._offered = 0
        return bool(message)

    def _offer(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._offered = self._fork(ours.detach(), theirs)
            # Without it the supervisor ends, as its socket does.
            with contextlib.suppress(OSError):
                socket.send_fds(self._control, [str(self._offered).encode()], [theirs.fileno()])

    def _fork(self, channel: int, *others: socket.socket) -> int:
        """Fork the supervisor of one job.

        Args:
            channel: The job's socket.
            others: What the supervisor must not hold.
        """
        self._count += 1
        group_name = f"{self._token}-{self._count}"
        pid = os.fork()
        if pid == 0:
            for other in others:
                other.close()
            self._become_supervisor(channel, group_name)
        self._entries[pid] = _Entry(channel, os.pidfd_open(pid), group_name)
        return pid

    def _become_supervisor(self, channel: int, group_name: str) -> None:
        status = 1
        # It does not live long enough to need a collection, which would copy pages that it shares.
        gc.disable()
        try:
            self._control.close()
            # A copy of another job's socket would hide that job's end from the lab.
            for entry in self._entries.values():
                os.close(entry.channel)
                os.close(entry.pidfd)
            with socket.socket(fileno=channel) as own:
                stand_by(own, group_name, self._machine)
            status = 0
        finally:
            os._exit(status)

    def _reap(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        entry = self._entries.pop(pid)
        if pid == self._offered:
            self._offered = 0
        os.close(entry.pidfd)
        if status != 0:
            self._end_orphans()
            self._machine.family.remove(entry.group_name)
        os.close(entry.channel)

    def _end_orphans(self) -> None:
        while True:
            table = processes.children()
            orphans = [pid for pid in table.get(os.getpid(), ()) if pid not in self._entries]
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
