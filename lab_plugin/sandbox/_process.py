"""The sandbox for programs that one trusts."""

from __future__ import annotations

from typing import Any

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._launched import LaunchedSandbox

_REMEDY = "Use [sandbox] kind 'bubblewrap' or 'docker'."


class ProcessSandbox(LaunchedSandbox):
    """A plain process of this user: limited, and ended with all its descendants, but not contained.

    It sees and may change all that this user may, its own workspace too: rules for files other than
    `hidden`, which is refused, bind only a program that keeps them.
    """

    kind = "process"

    def _held(self) -> frozenset[str]:
        return frozenset({"seccomp"})

    def _complete(self, job: Job) -> dict[str, Any]:
        if hidden := sorted(path for path, rule in job.files.items() if rule == "hidden"):
            raise SandboxError(f"{job.name}: sandbox 'process' cannot hide {hidden[0]}", _REMEDY)
        if job.network_socket:
            raise SandboxError(f"{job.name}: sandbox 'process' cannot hold a rule for the network", _REMEDY)
        return {"bwrap": "", "uid": None}
