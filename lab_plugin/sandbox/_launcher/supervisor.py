"""The process that runs one job and is then gone."""

from __future__ import annotations

import socket
import traceback

from . import linux
from .cgroup_group import Group
from .job_run import JobRun, Machine
from .request import Broken, Refused, receive, receive_with_fd, send
from .warm import Lost, Unfit


def stand_by(handover: socket.socket, group_name: str, machine: Machine) -> None:
    """Make ready for one job, wait for its socket, do the job, and report.

    Args:
        handover: Where the job's own socket comes from; its end means that there is none to come.
        group_name: For the job's control group.
        machine: What all jobs share.
    """
    linux.become_subreaper()
    group: Group | OSError
    try:
        group = machine.family.create(group_name)
    except OSError as error:
        # The lab of the job must learn of it.
        group = error
    _, channel = receive_with_fd(handover, 16)
    handover.close()
    if channel is not None:
        with socket.socket(fileno=channel) as own:
            _supervise(own, group, machine)
    elif isinstance(group, Group):
        group.remove()


def _supervise(channel: socket.socket, group: Group | OSError, machine: Machine) -> None:
    request, handed = receive(channel)
    if request is None:
        if isinstance(group, Group):
            group.remove()
        return
    send(channel, {"event": "accepted"})
    try:
        if isinstance(group, OSError):
            raise group
        report = JobRun(request, channel, handed, group, machine).run()
    except Unfit as fault:
        report = {"event": "unfit", "message": str(fault)}
    except Lost as fault:
        report = {"event": "lost", "message": str(fault)}
    except Broken as fault:
        report = {"event": "broken", "message": fault.message, "remedy": fault.remedy}
    except Refused as fault:
        report = {"event": "refused", "message": fault.message, "remedy": fault.remedy}
    except Exception:  # noqa: BLE001 - the border of the process: the lab must learn of it
        report = {"event": "broken", "message": f"supervisor failed:\n{traceback.format_exc()}", "remedy": ""}
    send(channel, report)
