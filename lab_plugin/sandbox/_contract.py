"""What every sandbox guarantees, in the words that the rest of the lab uses.

**Trust.** The program inside is hostile. Its output, its files and its exit status are data.

**The end.** When `Sandbox.run` returns or raises, no process of the job is alive; this is verified,
not assumed. A `kill -9` of the calling process, or of any helper process of the sandbox, ends the
job too.

**Failure.** What the program does (crash, time-out, flood, missing outputs) is told by `Execution`.
`SandboxUnavailable` means that the sandbox itself broke: the same job may be run again.
`SandboxError` means that it can never hold this job.

**Limits** hold for the whole process tree where `Sandbox.guarantees` says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FileRule = Literal["rw", "ro", "hidden"]
Role = Literal["candidate", "scorer", "proposer"]
Status = Literal["ok", "failed", "timeout", "memory", "output"]

ACCESS_LOG = "network.jsonl"
"""Beside a job's logs where it may reach hosts: one JSON line per request."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds for one job, its whole process tree together.

    Attributes:
        wall_seconds: Wall clock, in seconds, above 0.
        memory_bytes: Memory, tmpfs pages included.
        cpus: Cores, above 0; fractions allowed.
        processes: Processes and threads alive at once.
        disk_bytes: All that the job may write, its outputs included.
        file_bytes: The largest single declared output.
        log_bytes: Kept of each of stdout and stderr; what is beyond is read and dropped.
    """

    wall_seconds: float
    memory_bytes: int = 2 << 30
    cpus: float = 1.0
    processes: int = 256
    disk_bytes: int = 1 << 30
    file_bytes: int = 256 << 20
    log_bytes: int = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command to run once.

    Attributes:
        name: Names the job in process lists, labels and cgroups: `digits-0007-candidate`.
        role: Who the program is; candidate, scorer and proposer never share a user where the
            sandbox can tell users apart.
        command: argv; `python` and other names are looked up on the sandbox's PATH.
        workspace: Host folder, seen read-only; owned by the lab, without links that leave it.
        directory: The working directory, relative to the workspace, "." for its root.
        writable: Existing files and folders, relative to the workspace, that the program may change in
            place on the host (the editing sandbox of a proposer); nothing else in it can be changed. A
            file may also be replaced by `rename`: its folder then takes new files, which are left to the
            caller to judge, unless that folder has a rule of its own in `files`, is hidden, or has more
            than 128 entries.
        files: Rules for existing files and folders, relative to the workspace ("." for all of it): `rw` as
            `writable`, `ro`, or `hidden` (an empty file or folder is seen instead). The longest match
            holds; `ro` where there is none. What is `ro` or `hidden` in an `rw` folder stays what and
            where it is: the folders above it cannot be moved, and nothing is moved across them by `rename`.
        network_socket: Host unix socket that leads to the network, shown at `/run/lab/network.sock`; the
            forwarder runs in front of the command and offers it as a proxy. None for no network.
        inputs: Environment variable -> host file or folder, seen read-only, or host unix socket, which the
            program may connect to; its inside path is the variable's value.
        outputs: Declared output files, relative POSIX paths under the output folder.
        output_variables: Environment variable -> path relative to the (writable, empty) output folder;
            `{"LAB_OUTPUTS": "."}`.
        destination: Existing empty host folder; receives `stdout.log`, `stderr.log` and, below
            `outputs/`, copies of the declared outputs. It is never visible inside.
        environment: Further variables; nothing of the host's environment enters by itself.
        limits: Upper bounds.
        gpus: Ids of the cards that the program may use, as the engine knows them; for `docker` only.
        warm: Modules that the command imports anyway. A sandbox may then run `python SCRIPT ...` or
            `python -m MODULE ...` in a fork of an interpreter that has them already; each guarantee holds
            as for a new one, and nothing passes from one job to the next.
    """

    name: str
    role: Role
    command: tuple[str, ...]
    workspace: Path
    destination: Path
    limits: Limits
    directory: str = "."
    writable: tuple[str, ...] = ()
    files: Mapping[str, FileRule] = field(default_factory=dict)
    network_socket: Path | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    output_variables: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What one job did, as the host saw it.

    Attributes:
        status: `ok` (exit status 0), `failed` (other exit or signal), `timeout`, `memory` (killed for
            memory, even if only a child was), `output` (wrote more than `disk_bytes`).
        reason: One sentence for the verdict; empty when `ok`.
        exit_code: Exit status, None when a signal ended it.
        signal: Signal number, None when it exited.
        wall_seconds: From start to the verified end.
        cpu_seconds: User and system time of the whole tree; None where it cannot be measured.
        peak_bytes: Peak memory of the whole tree; None where it cannot be measured.
        stdout: Log file under the destination, at most `log_bytes` (and a last line that says so).
        stderr: Likewise.
        outputs: Declared output -> its copy (a plain file, one link, within limits).
        refused: Declared output -> why it was not taken ("missing", "a symbolic link").
        sandbox: Kind that ran it.
        guarantees: What that kind held for this job, sorted.
        warm: Whether a fork of a warm interpreter ran it: what was imported ahead is then in neither
            `cpu_seconds` nor `peak_bytes`.
    """

    status: Status
    reason: str
    exit_code: int | None
    signal: int | None
    wall_seconds: float
    cpu_seconds: float | None
    peak_bytes: int | None
    stdout: Path
    stderr: Path
    outputs: Mapping[str, Path]
    refused: Mapping[str, str]
    sandbox: str
    guarantees: tuple[str, ...]
    warm: bool = False


class Sandbox(ABC):
    """A place where untrusted programs run; safe for concurrent `run` calls of one event loop.

    Attributes:
        kind: `bubblewrap`, `docker`, `process`, or a plug-in's name.
        guarantees: Of `pid_namespace`, `network_none`, `memory_total`, `oom_detected`, `disk_quota`,
            `user_split`, `read_only_root`, `seccomp`: those that hold on this machine for this user;
            `probe` measures them.
    """

    kind: str
    guarantees: frozenset[str]

    @abstractmethod
    async def probe(self) -> None:
        """Run something inside.

        Raises:
            SandboxUnavailable: It cannot run here; the remedy says what to install or allow.
        """

    @abstractmethod
    async def run(self, job: Job) -> Execution:
        """Run a job to its end.

        Raises:
            SandboxUnavailable: The sandbox broke; the job may be run again.
            SandboxError: The job asks for what this sandbox cannot hold.
            asyncio.CancelledError: Cancelled; every process of the job is dead by then.
        """

    @abstractmethod
    async def close(self) -> None:
        """End helper processes and remove what was made for them. Idempotent."""
