"""Whose a container is, and whether that process still lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

LABEL = "prefect-lab.owner"


class Owner(NamedTuple):
    """The process that a container belongs to.

    Attributes:
        boot: The kernel's boot, as an id.
        namespace: The PID namespace that `pid` is of.
        pid: Process id.
        started: The kernel's start time of the process, in clock ticks since the boot.
    """

    boot: str
    namespace: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.started}"


def own() -> Owner:
    """This process."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Owner(boot, os.readlink("/proc/self/ns/pid"), os.getpid(), _started(os.getpid()))


def is_dead(label: str) -> bool:
    """Whether the owner that `label` names is known to be dead; False where it cannot be told from here."""
    us = own()
    boot, _, rest = label.partition("/")
    namespace, _, rest = rest.partition("/")
    pid, _, started = rest.partition("/")
    if (boot, namespace) != (us.boot, us.namespace) or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
