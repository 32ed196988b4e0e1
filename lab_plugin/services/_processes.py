"""Processes of this machine, as /proc tells of them."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab_plugin.errors import SandboxUnavailable

_END_SECONDS = 60.0
_MOST_IN_VAIN = 100
_PACE = 0.02
_SHOWN = 80


def boot() -> str:
    """Names this run of the machine; process ids of another one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none, or only its corpse."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def shown(pid: int) -> str:
    """A process in a message: its id and the beginning of its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        words = ""
    text = "".join(character if character.isprintable() else " " for character in words).strip()
    return f"process {pid} ({text[:_SHOWN]})" if text else f"process {pid}"


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    table: dict[int, list[int]] = {}
    for one in every():
        if (fields := _stat(one)) is not None:
            table.setdefault(int(fields[1]), []).append(one)
    found = [pid]
    for one in found:
        found += table.get(one, ())
    return found


def every() -> Iterator[int]:
    """The ids of all processes that can be seen."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def end_marked(entry: str) -> None:
    """Kill every process that was started with a variable, and see that none is left.

    Args:
        entry: The variable and its value, `NAME=value`; nobody else's have it.

    Raises:
        SandboxUnavailable: One cannot be killed.
    """
    mark = os.fsencode(entry)
    deadline = time.monotonic() + _END_SECONDS
    looked_at: set[int] = set()
    in_vain = 0
    # One may fork and end after it was listed and before it is looked at: so until nobody is new, or none of
    # many new ones was marked.
    while in_vain < _MOST_IN_VAIN and (new := set(every()) - looked_at):
        looked_at |= new
        found = [pid for pid in new if _kill_if(pid, mark)]
        looked_at -= set(found)
        in_vain = 0 if found else in_vain + 1
        if not found:
            continue
        if time.monotonic() > deadline:
            raise SandboxUnavailable(
                f"{shown(found[0])}, left by a service, cannot be killed", "Look for processes in state D."
            )
        time.sleep(_PACE)


def _kill_if(pid: int, mark: bytes) -> bool:
    if pid == os.getpid():
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Read after it was opened: this very process has the mark, whatever gets its id later.
        marked = mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if not marked or _is_over(descriptor):
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_over(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    return text.rpartition(")")[2].split()
