"""The sandbox for programs that one trusts."""

from __future__ import annotations

from typing import Any

from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._launched import LaunchedSandbox


class ProcessSandbox(LaunchedSandbox):
    """A plain process of this user: limited, and ended with all its descendants, but not contained.

    It sees and may change all that this user may, its own workspace too.
    """

    kind = "process"

    def _held(self) -> frozenset[str]:
        return frozenset()

    def _complete(self, job: Job) -> dict[str, Any]:
        return {"bwrap": "", "uid": None}
