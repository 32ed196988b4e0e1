"""What a sandbox can guarantee, by name, and what a lab may demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox._contract import Sandbox

GUARANTEES: Mapping[str, str] = MappingProxyType(
    {
        "disk_quota": "what a program writes is bounded by a file system of that size",
        "memory_total": "the memory limit holds for all processes of a program together",
        "network_none": "no network interface but an own loopback",
        "oom_detected": "an end by lack of memory is seen, even if only a child died",
        "pid_namespace": "no process of the host is seen or reached, and none is left behind",
        "read_only_root": "nothing of the host and of the workspace can be changed",
        "seccomp": "system calls that widen what a program can reach are refused",
        "user_split": "candidate, scorer and proposer are different users, none of them the lab's",
    }
)

SEPARATE_PROCESS = "separate_process"
CONTRACT_GUARANTEES: Mapping[str, str] = MappingProxyType(
    {SEPARATE_PROCESS: "no code of the scorer runs in a process that has run code of a candidate"}
)
"""What a lab may demand besides, and the scorer's contract holds in any sandbox."""


def require_guarantees(sandbox: Sandbox, wanted: Iterable[str]) -> None:
    """See that a sandbox holds what a lab demands of it; `CONTRACT_GUARANTEES` are no matter of sandboxes.

    Raises:
        SandboxError: It does not; the message names what is missing.
    """
    if missing := sorted(set(wanted) - CONTRACT_GUARANTEES.keys() - sandbox.guarantees):
        told = "; ".join(f"{name} ({GUARANTEES.get(name, 'unknown')})" for name in missing)
        raise SandboxError(
            f"[sandbox] require: sandbox {sandbox.kind!r} does not hold here: {told}.",
            "Delegate control groups to the lab (systemd-run --user --scope -p Delegate=yes lab run; as root "
            "without --user), choose another [sandbox] kind, or demand less.",
        )
