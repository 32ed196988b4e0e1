"""The sandbox for hostile programs on Linux."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox._contract import Execution, Job
from lab_plugin.sandbox._interpreter import require_separate
from lab_plugin.sandbox._launched import LaunchedSandbox
from lab_plugin.sandbox._warm import WarmInterpreters

# Users that no distribution, container tool or service hands out; they need no account.
_USERS = {"candidate": 1_900_000_001, "scorer": 1_900_000_002, "proposer": 1_900_000_003}


class BubblewrapSandbox(LaunchedSandbox):
    """Namespaces for everything, read-only host folders, size-limited storage, no network, no capability.

    As root, each role runs as a user of its own, and control groups limit the job where they can be made.
    As an ordinary user, roles share that user, and memory is limited per process.

    A job with modules to import ahead runs in a fork of an interpreter that is kept for it, in namespaces of
    its own below that one's; where files beside its script would hide such a module, in a new interpreter.

    A program's exit status of 129 to 192 reads as the end by that signal less 128.

    Args:
        python: Interpreter that `python` means inside; None for the one that runs this process.
        mounts: Further host folders that programs may read at their own paths.

    Raises:
        SandboxUnavailable: bubblewrap is not installed, or this root has no users for the roles.
        SandboxError: The interpreter cannot be used.
    """

    kind = "bubblewrap"

    def __init__(self, *, python: Path | None = None, mounts: Sequence[Path] = ()) -> None:
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxUnavailable(
                "bubblewrap is not installed", "Install it: sudo apt-get install bubblewrap"
            )
        self._program = program
        _require_users()
        super().__init__(python=python, mounts=mounts)
        self._warm = WarmInterpreters(self._spawner)

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`."""
        for private in (job.workspace, job.destination):
            require_separate(self._shown, Path(os.path.abspath(private)))
        return await super().run(job)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        await self._warm.close()
        await super().close()

    async def _play(self, job: Job) -> tuple[dict[str, Any], bool]:
        if job.warm:
            request = self._request(job)._replace(kind="warm", warm=list(job.warm))
            report = await self._warm.run(request)
            if report["event"] != "unfit":
                return report, True
        return await super()._play(job)

    def _held(self) -> frozenset[str]:
        held = {"pid_namespace", "network_none", "disk_quota", "read_only_root", "seccomp"}
        return frozenset(held | {"user_split"} if os.getuid() == 0 else held)

    def _complete(self, job: Job) -> dict[str, Any]:
        return {"bwrap": self._program, "uid": _USERS[job.role] if os.getuid() == 0 else None}


def _require_users() -> None:
    # Root of a user namespace owns what its programs would own, unless further users are mapped.
    if os.getuid() == 0:
        for kind in ("uid_map", "gid_map"):
            lines = Path("/proc/self", kind).read_text().splitlines()
            ranges = [tuple(map(int, line.split())) for line in lines]
            for user in _USERS.values():
                if not any(first <= user < first + count for first, _, count in ranges):
                    raise SandboxUnavailable(
                        f"this root has no user {user} to run programs as (/proc/self/{kind})",
                        "Run the lab as an ordinary user, or as root outside of the container.",
                    )
