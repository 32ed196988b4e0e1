"""The first steps of a job, done while its supervisor stands by, for a job that there is not.

A fork shares its pages with its maker until one of them writes, and even to read an object of Python's writes
its count of references. So most of what a new supervisor does first is to copy pages. That takes about a
millisecond, for which the job then need not wait.
"""

from __future__ import annotations

import contextlib
import os
import socket

from .bubblewrap_arguments import arguments
from .cgroup_group import Group
from .launch import Orders, limits, user_processes
from .mounts import Bind, namespaces
from .request import Request, receive, send

_SAMPLE = Request(
    kind="bubblewrap",
    name="none",
    command=["python", "none.py"],
    workspace="/none",
    directory=".",
    rules={},
    inputs={},
    outputs=["none"],
    output_variables={"LAB_OUTPUTS": "."},
    destination="/none",
    environment={"LAB_SEED": "0"},
    uid=None,
    python="/none/python",
    python_named=True,
    mounts=[],
    network_socket="",
    forwarder="",
    bwrap="bwrap",
    warm=[],
    wall_seconds=1.0,
    # A limit of the group that every job's own lies below: the kernel refuses some that are raised.
    memory_bytes=1 << 60,
    cpus=1.0,
    processes=64,
    disk_bytes=1 << 20,
    file_bytes=1 << 20,
    log_bytes=1 << 20,
)
_BINDS = [Bind(f"/none/{number}", f"/none/{number}", "ro") for number in range(8)]


def rehearse(group: Group) -> None:
    """Receive a request, limit its group, and put orders together; none of it lasts."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, _SAMPLE._asdict())
        request, _ = receive(theirs)
        assert request is not None
        # What fails here fails again for the job, which tells of it.
        with contextlib.suppress(OSError):
            group.restrict(request.memory_bytes, request.processes, request.cpus)
            group.usage()
        command = arguments(request, _BINDS, 3, 4, 5)
        orders = Orders(command, {}, "/", limits(request, group, user_processes(request)))
        send(ours, orders._asdict())
    for fd in (*namespaces(), os.pidfd_open(os.getpid())):
        os.close(fd)
