"""What a program sees of its container, and whether that bears out what the sandbox guarantees."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

# Where the user of a container may write, and what only root could: devices, and views of the kernel.
_GUARDED = ("/tmp", "/dev", "/proc", "/sys/fs/cgroup")  # noqa: S108 - inside
_PAGE = 1 << 16

Facts = Mapping[str, Any]


def unfounded(claimed: frozenset[str], said: str, uid: int, disk_bytes: int) -> list[str]:
    """The guarantees that the facts contradict, sorted.

    Args:
        claimed: What the sandbox guarantees.
        said: What the program of the probe printed.
        uid: The user that it should be.
        disk_bytes: The disk limit that it ran under.
    """
    facts: Facts = json.loads(said)
    checks: dict[str, Callable[[], bool]] = {
        "disk_quota": lambda: _stored(facts) <= disk_bytes + _PAGE,
        "network_none": lambda: _separate(facts, "net") and facts["interfaces"] == ["lo"],
        "pid_namespace": lambda: _separate(facts, "pid", "ipc") and 1 in facts["processes"],
        "read_only_root": lambda: _separate(facts, "mnt") and _powerless(facts) and _read_only(facts),
        "seccomp": lambda: facts["status"]["Seccomp"] == ["2"] and facts["status"]["NoNewPrivs"] == ["1"],
        "user_split": lambda: uid != os.getuid() and facts["status"]["Uid"] == [str(uid)] * 4,
    }
    return sorted(name for name in claimed & set(checks) if not checks[name]())


def _stored(facts: Facts) -> int:
    return sum({device: size for device, size in facts["storage"].values()}.values())


def _separate(facts: Facts, *names: str) -> bool:
    return all(facts["namespaces"][name] != os.readlink(f"/proc/self/ns/{name}") for name in names)


def _powerless(facts: Facts) -> bool:
    return all(int(facts["status"][name][0], 16) == 0 for name in ("CapEff", "CapBnd"))


def _read_only(facts: Facts) -> bool:
    points = {point: options.split(",") for point, options in facts["mounts"]}
    return "/" in points and all(
        "ro" in options or any(point == place or point.startswith(f"{place}/") for place in _GUARDED)
        for point, options in points.items()
    )
