"""One service at a time, also over the death of whoever ran it.

A file lock is held for as long as anything of the service may be alive: by its guardian, which got it from
the lab. A record beside it says how to find what is left, should both of them be killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.services._processes import boot, end_marked, shown, started

MARK = "LAB_HOST_SERVICE"
_MOST_BYTES = 4096
_ENDING_SECONDS = 90.0
_PACE = 0.05


class InUse(SandboxUnavailable):
    """Another process that lives runs the service."""


@dataclass(frozen=True)
class Record:
    """What a service was started as.

    Attributes:
        boot: The machine's run.
        lab: Process id of the lab that started it.
        started: When that process started, in clock ticks since boot.
        mark: Value of the variable `MARK` that all its processes have.
    """

    boot: str
    lab: int
    started: int
    mark: str

    @property
    def lab_is_alive(self) -> bool:
        """Whether the very process that started it still runs."""
        return self.boot == boot() and started(self.lab) == self.started

    @property
    def entry(self) -> str:
        """The variable as an environment has it."""
        return f"{MARK}={self.mark}"


async def take(folder: Path, name: str) -> tuple[int, Record]:
    """Take a service's lock, end what an earlier run of it left, and write a new record.

    Args:
        folder: The lab's folder for services.
        name: The service's.

    Returns:
        The lock's descriptor, held until it and all its copies are closed; and the record.

    Raises:
        InUse: Another process of the lab runs it.
        SandboxUnavailable: What is left of an earlier run cannot be ended.
    """
    descriptor = os.open(
        folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        await _lock(descriptor, folder, name)
        left = _load(record_path(folder, name))
        if left is not None and left.boot == boot():
            await asyncio.to_thread(end_marked, left.entry)
        own = os.getpid()
        record = Record(boot(), own, started(own) or 0, secrets.token_hex(16))
        _save(record_path(folder, name), record)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, record


def record_path(folder: Path, name: str) -> Path:
    """Where a service's record is; it is removed once nothing of the service is left."""
    return folder / f"{name}.json"


async def _lock(descriptor: int, folder: Path, name: str) -> None:
    deadline = asyncio.get_running_loop().time() + _ENDING_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            record = _load(record_path(folder, name))
            if record is not None and record.lab_is_alive:
                raise InUse(
                    f"The service {name} is in use by {shown(record.lab)}, which runs this lab too.",
                    "Wait until that has ended, or end it.",
                ) from None
            # Its lab is dead, and its guardian is ending it.
            if asyncio.get_running_loop().time() > deadline:
                raise SandboxUnavailable(
                    f"The service {name} of a dead process does not end.",
                    f"See what holds {folder / name}.lock.",
                ) from None
            await asyncio.sleep(_PACE)
        else:
            return


def _load(path: Path) -> Record | None:
    """A record; None when there is none, or it is damaged, which nothing of ours leaves it."""
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MOST_BYTES))
        record = Record(str(fields["boot"]), int(fields["lab"]), int(fields["started"]), str(fields["mark"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record if record.mark else None


def _save(path: Path, record: Record) -> None:
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(asdict(record)), "ascii")
    os.replace(partial, path)
