"""Attempts to break each guarantee of a sandbox, from inside it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab_plugin.sandbox import _breach_programs as _programs
from lab_plugin.sandbox._contract import Execution, Job, Limits, Role, Sandbox

_MIB = 1 << 20
_SECONDS = 30.0


@dataclass(frozen=True)
class Attempt:
    """One attempt to break a guarantee.

    Attributes:
        guarantee: Its name.
        held: It withstood.
        detail: What was tried and seen.
    """

    guarantee: str
    held: bool
    detail: str


async def attempt_breaches(sandbox: Sandbox) -> list[Attempt]:
    """Try to break every guarantee that a sandbox claims; takes some seconds.

    Returns:
        One attempt per guarantee that is known here, sorted by name.

    Raises:
        SandboxUnavailable: The sandbox broke.
    """
    return [
        Attempt(name, *await _ATTEMPTS[name](sandbox))
        for name in sorted(_ATTEMPTS)
        if name in sandbox.guarantees
    ]


async def _run(
    sandbox: Sandbox,
    program: str,
    *,
    role: Role = "candidate",
    limits: Limits | None = None,
    environment: dict[str, str] | None = None,
) -> tuple[Execution, str]:
    """Run a Python program inside; returns what came of it, and what it printed."""
    with TemporaryDirectory(prefix="lab-breach-") as folder:
        Path(folder).chmod(0o755)
        workspace, destination = Path(folder, "workspace"), Path(folder, "destination")
        workspace.mkdir(mode=0o755)
        (workspace / "own.txt").write_text("as it was")
        destination.mkdir()
        execution = await sandbox.run(
            Job(
                name="breach",
                role=role,
                command=("python", "-I", "-S", "-c", program),
                workspace=workspace,
                destination=destination,
                output_variables={"LAB_OUTPUTS": "."},
                environment=environment or {},
                limits=limits or Limits(wall_seconds=_SECONDS),
            )
        )
        changed = (workspace / "own.txt").read_text() != "as it was" or len(list(workspace.iterdir())) != 1
        said = execution.stdout.read_text(errors="replace").strip()
        return execution, "broken: the workspace was changed" if changed else said


def _judge(execution: Execution, said: str, tried: str) -> tuple[bool, str]:
    if said == _programs.HELD:
        return True, f"{tried}: refused"
    return False, f"{tried}: {said[-300:] or execution.reason or 'nothing was said'}"


async def _pid_namespace(sandbox: Sandbox) -> tuple[bool, str]:
    mark = secrets.token_hex(16)
    victim = subprocess.Popen(
        ["sleep", str(int(_SECONDS) * 4)], env={**os.environ, "LAB_HOST_MARK": mark[::-1]}
    )
    try:
        found = await _run(
            sandbox, _programs.PROCESSES, environment={"LAB_MARK": mark, "LAB_VICTIM": str(victim.pid)}
        )
        if victim.poll() is not None:
            return False, "a process of the host was ended"
        return _judge(*found, "to see and to signal a process of the host")
    finally:
        victim.kill()
        victim.wait()


async def _network_none(sandbox: Sandbox) -> tuple[bool, str]:
    name = f"lab-breach-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        hidden = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        hidden.bind(f"\0{name}")
        hidden.listen()
        environment = {"LAB_PORT": str(tcp.getsockname()[1]), "LAB_NAME": name}
        found = await _run(sandbox, _programs.NETWORK, environment=environment)
    return _judge(*found, "to reach a socket of the host, and a route out")


_SMALL = Limits(wall_seconds=_SECONDS, memory_bytes=96 * _MIB)


async def _memory_total(sandbox: Sandbox) -> tuple[bool, str]:
    execution, said = await _run(sandbox, _programs.CHILDREN, limits=_SMALL)
    held = execution.status == "memory" or said == _programs.HELD
    return held, "four processes that together take more than the limit: " + ("ended" if held else said)


async def _oom_detected(sandbox: Sandbox) -> tuple[bool, str]:
    execution, _ = await _run(sandbox, _programs.CHILD, limits=_SMALL)
    tried = "a child without memory under a parent that ends well"
    return execution.status == "memory", f"{tried}: {execution.status}"


async def _disk_quota(sandbox: Sandbox) -> tuple[bool, str]:
    limits = Limits(wall_seconds=_SECONDS, disk_bytes=16 * _MIB)
    execution, said = await _run(sandbox, _programs.FILL, limits=limits)
    held = execution.status in ("output", "memory") or said == _programs.HELD
    return held, "to write more than the limit wherever one can write: " + ("refused" if held else said)


async def _read_only_root(sandbox: Sandbox) -> tuple[bool, str]:
    return _judge(*await _run(sandbox, _programs.WRITE), "to write to the root, the system and the workspace")


async def _seccomp(sandbox: Sandbox) -> tuple[bool, str]:
    return _judge(*await _run(sandbox, _programs.CALLS), "unshare, ptrace and mount")


async def _user_split(sandbox: Sandbox) -> tuple[bool, str]:
    # Inside, a user namespace may show any number; what counts is whom the host sees.
    roles: tuple[Role, ...] = ("candidate", "scorer", "proposer")
    owners = {role: await _owner(sandbox, role) for role in roles}
    seen = set(owners.values())
    split = len(seen) == len(roles) and seen.isdisjoint({None, os.getuid()})
    return split, "users on the host: " + ", ".join(f"{role} {uid}" for role, uid in owners.items())


async def _owner(sandbox: Sandbox, role: Role) -> int | None:
    """The user that the host sees a program of this role run as; None where it sees none."""
    mark = secrets.token_hex(16)
    program = f"import time; time.sleep({_SECONDS}); {mark!r}"
    task = asyncio.ensure_future(_run(sandbox, program, role=role))
    try:
        while not task.done():
            await asyncio.sleep(0.05)
            if (owner := await asyncio.to_thread(_find, mark)) is not None:
                return owner
        return None
    finally:
        task.cancel()
        await asyncio.wait((task,))


def _find(mark: str) -> int | None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
            # bubblewrap, too, has the command on its line.
            if mark.encode() in b"".join(line[1:]) and os.path.basename(line[0]).startswith(b"python"):
                return folder.stat().st_uid
        except OSError:
            continue
    return None


_Try = Callable[[Sandbox], Awaitable[tuple[bool, str]]]
_ATTEMPTS: dict[str, _Try] = {
    "disk_quota": _disk_quota,
    "memory_total": _memory_total,
    "network_none": _network_none,
    "oom_detected": _oom_detected,
    "pid_namespace": _pid_namespace,
    "read_only_root": _read_only_root,
    "seccomp": _seccomp,
    "user_split": _user_split,
}
