"""Finding, killing and reaping processes below this one, which must be a subreaper."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from .request import Broken

_END_SECONDS = 60.0


def below(roots: Iterable[int], table: dict[int, list[int]]) -> list[int]:
    """`roots` and all their descendants, nearest first."""
    found = list(roots)
    for pid in found:
        found += table.get(pid, ())
    return found


def children() -> dict[int, list[int]]:
    """Parent -> children, of all processes that can be seen."""
    table: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            table.setdefault(parent, []).append(int(entry))
    return table


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to each that still exists."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def kill_descendants() -> None:
    """Send SIGKILL once to all processes below this one."""
    table = children()
    kill(below(table.get(os.getpid(), ()), table))


def end_descendants(main: int = -1) -> tuple[int, float]:
    """Kill and reap until this process has no child left; orphans become its children.

    Args:
        main: A child whose status is wanted.

    Returns:
        The wait status of `main`, and the CPU seconds of all that was reaped.

    Raises:
        Broken: Something cannot be killed.
    """
    deadline = time.monotonic() + _END_SECONDS
    status, cpu = 0, 0.0
    while True:
        try:
            pid, found, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return status, cpu
        if pid:
            cpu += usage.ru_utime + usage.ru_stime
            status = found if pid == main else status
            continue
        if time.monotonic() > deadline:
            raise Broken("processes of the job cannot be killed", "Look for processes in state D.")
        kill_descendants()
        time.sleep(0.0005)
