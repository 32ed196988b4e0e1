"""The process that runs one job and is then gone."""

from __future__ import annotations

import contextlib
import socket
import traceback

from . import linux
from .job_run import JobRun, Machine, Ready
from .launch import Child
from .processes import end_descendants
from .rehearsal import rehearse
from .request import Broken, Lost, Refused, Request, receive, send
from .warm import Unfit


def stand_by(channel: socket.socket, group_name: str, machine: Machine) -> None:
    """Make ready for one job, wait for it, do it, and report.

    Args:
        channel: The job's own socket; its end means that there is none to come.
        group_name: For the job's control group.
        machine: What all jobs share.
    """
    linux.become_subreaper()
    ready = _make_ready(group_name, machine)
    if isinstance(ready, Ready):
        rehearse(ready.group)
    request, handed = receive(channel)
    if request is not None:
        _supervise(channel, request, handed, ready, machine)
    if isinstance(ready, Ready):
        ready.child.dismiss()
        end_descendants()
        # What cannot be removed now is tried again at the next start; whatever ran in it is dead.
        with contextlib.suppress(OSError):
            ready.group.remove()


def _make_ready(group_name: str, machine: Machine) -> Ready | OSError:
    """What failed, the lab of the job must learn of."""
    try:
        group = machine.family.create(group_name)
    except OSError as error:
        return error
    try:
        return Ready(group, Child(group))
    except OSError as error:
        group.remove()
        return error


def _supervise(
    channel: socket.socket, request: Request, handed: int, ready: Ready | OSError, machine: Machine
) -> None:
    send(channel, {"event": "accepted"})
    try:
        if isinstance(ready, OSError):
            raise ready
        report = JobRun(request, channel, handed, ready, machine).run()
    except Unfit as fault:
        report = {"event": "unfit", "message": str(fault)}
    except Lost as fault:
        report = {"event": "lost", "message": str(fault), "remedy": ""}
    except Broken as fault:
        report = {"event": "broken", "message": fault.message, "remedy": fault.remedy}
    except Refused as fault:
        report = {"event": "refused", "message": fault.message, "remedy": fault.remedy}
    except Exception:  # noqa: BLE001 - the border of the process: the lab must learn of it
        report = {"event": "broken", "message": f"supervisor failed:\n{traceback.format_exc()}", "remedy": ""}
    send(channel, report)
