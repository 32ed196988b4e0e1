"""The lease: which process may move a lab's champion.

Two refs. `lease` is at a blob that names the owner and stays the same for the whole tenure, so that every
verdict can check it in its own transaction (fencing). `heartbeat`, beside it, is at a blob with the time
and says to other machines that the owner lives. An owner on this machine is known by process id and start
time, so a dead one is recognised at once.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from lab_plugin.errors import LeaseHeld, RefConflict, RepositoryError
from lab_plugin.repository._refs import RefChange
from lab_plugin.repository._repository import Repository

HEARTBEAT_SECONDS = 30.0
EXPIRY_SECONDS = 120.0
_TRIES = 5
_LARGEST = 64 << 10


@dataclass(frozen=True)
class Holder:
    """Who holds a lab.

    Attributes:
        host: Name of the machine.
        pid: Process id there.
        started: Start of the process, in clock ticks since the boot.
        boot: Boot id and process namespace; equal only where `pid` means the same.
        purpose: What it does, `lab run`.
        since: Unix time, in seconds.
        token: Random; tells this tenure from every other.
    """

    host: str
    pid: int
    started: int
    boot: str
    purpose: str
    since: float
    token: str

    @property
    def is_here(self) -> bool:
        """Whether its process id means the same in this process, so that it can be asked for."""
        return self.boot == _boot()

    def lives(self, beat: float | None) -> bool:
        """Whether the holder can still be at work.

        Args:
            beat: Unix time of the last heartbeat, None when there is none.
        """
        if self.is_here:
            return self.started == _start_of(self.pid)
        return time.time() - max(self.since, beat or 0.0) < EXPIRY_SECONDS

    def describe(self) -> str:
        """Who, where and since when, in one phrase."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"process {self.pid} on {self.host} ({self.purpose}), since {since}"


class Lease:
    """A held lease; use it as a context manager, or call `release`.

    Attributes:
        ref: Its ref.
        oid: Where the ref is for the whole tenure: `RefChange(lease.ref, lease.oid, lease.oid)` in a
            transaction makes it void once the lease is lost.
        owner: This process.
    """

    def __init__(self, repository: Repository, ref: str, oid: str, owner: Holder) -> None:
        self.ref = ref
        self.oid = oid
        self.owner = owner
        self._repository = repository

    @classmethod
    def acquire(cls, repository: Repository, ref: str, purpose: str) -> Lease:
        """Take the lease, also from an owner that is dead.

        Args:
            repository: The repository.
            ref: `refs/lab/<lab>/lease`.
            purpose: What for, for the person who is told that it is held.

        Raises:
            LeaseHeld: A living process holds it.
            RepositoryError: git refuses.
        """
        own = Holder(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_start_of(os.getpid()) or 0,
            boot=_boot(),
            purpose=purpose,
            since=time.time(),
            token=os.urandom(16).hex(),
        )
        oid = repository.write_blob(json.dumps(asdict(own), sort_keys=True).encode())
        for _ in range(_TRIES):
            found, beat = repository.ref(ref), repository.ref(_beat_ref(ref))
            before = read_holder(repository, found)
            if before is not None and before.lives(_read_beat(repository, beat)):
                raise held_by(before)
            try:
                repository.update_refs(
                    [
                        RefChange(ref, oid, found or ""),
                        RefChange(_beat_ref(ref), _write_beat(repository, own.token), beat or ""),
                    ]
                )
            except RefConflict:
                continue
            return cls(repository, ref, oid, own)
        raise LeaseHeld(f"{ref} keeps changing: other processes are taking it.", "Run again in a moment.")

    def heartbeat(self) -> None:
        """Say that this process lives; call it about every `HEARTBEAT_SECONDS`.

        Raises:
            LeaseHeld: The lease was lost.
        """
        beat = _write_beat(self._repository, self.owner.token)
        try:
            self._repository.update_refs([self.fence(), RefChange(_beat_ref(self.ref), beat)])
        except RefConflict:
            self.require()

    def require(self) -> None:
        """Prove that the lease is still held.

        Raises:
            LeaseHeld: It was lost; the message names the new holder.
        """
        found = self._repository.ref(self.ref)
        if found == self.oid:
            return
        other = read_holder(self._repository, found)
        if other is not None:
            raise held_by(other)
        raise LeaseHeld(f"The lease {self.ref} was taken away from this process.", "Run `lab run` again.")

    def fence(self) -> RefChange:
        """The check that makes a transaction void once the lease is lost."""
        return RefChange(self.ref, self.oid, self.oid)

    def release(self) -> None:
        """Give the lease back. Idempotent; one that was lost is left alone."""
        try:
            self._repository.update_refs(
                [RefChange(self.ref, None, self.oid), RefChange(_beat_ref(self.ref), None)]
            )
        except RefConflict:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(repository: Repository, ref: str) -> Holder | None:
    """The living holder of a lease, None when it is free."""
    found = read_holder(repository, repository.ref(ref))
    beat = _read_beat(repository, repository.ref(_beat_ref(ref)))
    return found if found is not None and found.lives(beat) else None


@dataclass(frozen=True)
class DeadLease:
    """A lease whose holder does not seem to live.

    Attributes:
        owner: The holder.
        certain: It was a process of this machine, and is not there any more; otherwise it is only silent.
        silent: Seconds since its last sign of life.
    """

    owner: Holder
    certain: bool
    silent: float
    _lease: Lease

    def release(self) -> None:
        """Let go of it, unless another process has taken it meanwhile."""
        self._lease.release()


def dead_lease(repository: Repository, ref: str) -> DeadLease | None:
    """The lease of a holder that does not seem to live; None when it is free, or held.

    Args:
        repository: The repository.
        ref: `refs/lab/<lab>/lease`.
    """
    oid = repository.ref(ref)
    owner, beat = read_holder(repository, oid), _read_beat(repository, repository.ref(_beat_ref(ref)))
    if oid is None or owner is None or owner.lives(beat):
        return None
    silent = time.time() - max(owner.since, beat or 0.0)
    return DeadLease(owner, owner.boot == _boot(), silent, Lease(repository, ref, oid, owner))


def require_free(repository: Repository, ref: str) -> None:
    """See that nobody holds a lease, before work is done that would need it.

    Raises:
        LeaseHeld: A living process holds it.
    """
    if (found := holder(repository, ref)) is not None:
        raise held_by(found)


def held_by(by: Holder) -> LeaseHeld:
    """The error that says who holds a lab."""
    return LeaseHeld(
        f"The lab is held by {by.describe()}.",
        "Wait until it is done, or stop it (Ctrl-C, or `kill` its process id) and run again.",
    )


def read_holder(repository: Repository, oid: str | None) -> Holder | None:
    """The holder that a lease's blob names; None also for a damaged one, which no living process wrote."""
    if oid is None:
        return None
    try:
        data = json.loads(repository.read_blob(oid, _LARGEST))
        return Holder(
            host=str(data["host"]),
            pid=int(data["pid"]),
            started=int(data["started"]),
            boot=str(data["boot"]),
            purpose=str(data["purpose"]),
            since=float(data["since"]),
            token=str(data["token"]),
        )
    except (RepositoryError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _read_beat(repository: Repository, oid: str | None) -> float | None:
    if oid is None:
        return None
    try:
        return float(json.loads(repository.read_blob(oid, _LARGEST))["at"])
    except (RepositoryError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _write_beat(repository: Repository, token: str) -> str:
    return repository.write_blob(json.dumps({"at": time.time(), "token": token}, sort_keys=True).encode())


def _beat_ref(ref: str) -> str:
    return f"{ref.rpartition('/')[0]}/heartbeat"


def _boot() -> str:
    """Equal for two processes only if their process ids mean the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"unknown {socket.gethostname()}"


def _start_of(pid: int) -> int | None:
    """The start of a process in clock ticks since the boot; None when it is dead, also as a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    state, *rest = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])
