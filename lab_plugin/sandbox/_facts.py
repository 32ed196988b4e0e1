"""What a program sees of its sandbox, and whether that bears out what the sandbox guarantees."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

# Where a program may write: its storage, and the devices and views that the kernel guards by itself.
_WRITABLE = ("/tmp", "/dev/shm", "/lab/outputs", "/proc", "/dev/pts", "/dev/mqueue")  # noqa: S108 - inside
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "console")

PROGRAM = """
import json, os, socket
with open('/proc/self/status') as file:
    status = dict(line.split(':', 1) for line in file)
with open('/proc/self/mountinfo') as file:
    mounts = [line.split(' ')[4:6] for line in file]
storage = {}
for path in ('/tmp', '/dev/shm', '/lab/outputs'):
    if os.path.isdir(path):
        size = os.statvfs(path)
        storage[path] = [os.stat(path).st_dev, size.f_blocks * size.f_frsize]
print(json.dumps({
    'status': {name: status[name].split() for name in ('NoNewPrivs', 'Seccomp', 'CapEff', 'CapBnd', 'Uid')},
    'namespaces': {name: os.readlink('/proc/self/ns/' + name) for name in os.listdir('/proc/self/ns')},
    'interfaces': [name for _, name in socket.if_nameindex()],
    'processes': [int(name) for name in os.listdir('/proc') if name.isdigit()],
    'mounts': mounts,
    'storage': storage,
}))
"""

Facts = Mapping[str, Any]


def unfounded(claimed: frozenset[str], said: str, uid: int | None, disk_bytes: int) -> list[str]:
    """The guarantees that the facts contradict, sorted.

    Args:
        claimed: What the sandbox guarantees.
        said: What `PROGRAM` printed.
        uid: The user that it should be; None for this process's own.
        disk_bytes: The disk limit that it ran under.
    """
    facts: Facts = json.loads(said)
    checks: dict[str, Callable[[], bool]] = {
        "disk_quota": lambda: _one_storage(facts, disk_bytes),
        "network_none": lambda: _separate(facts, "net") and facts["interfaces"] == ["lo"],
        "pid_namespace": lambda: _separate(facts, "pid", "user", "ipc") and 1 in facts["processes"],
        "read_only_root": lambda: _separate(facts, "mnt") and _powerless(facts) and _read_only(facts),
        "seccomp": lambda: facts["status"]["Seccomp"] == ["2"] and facts["status"]["NoNewPrivs"] == ["1"],
        "user_split": lambda: uid not in (None, os.getuid()) and facts["status"]["Uid"] == [str(uid)] * 4,
    }
    return sorted(name for name in claimed & set(checks) if not checks[name]())


def _separate(facts: Facts, *names: str) -> bool:
    return all(facts["namespaces"][name] != os.readlink(f"/proc/self/ns/{name}") for name in names)


def _powerless(facts: Facts) -> bool:
    return all(int(facts["status"][name][0], 16) == 0 for name in ("CapEff", "CapBnd"))


def _read_only(facts: Facts) -> bool:
    allowed = {*_WRITABLE, *(f"/dev/{name}" for name in _DEVICES)}
    points = {point: options.split(",") for point, options in facts["mounts"]}
    return "/" in points and all("ro" in options or point in allowed for point, options in points.items())


def _one_storage(facts: Facts, disk_bytes: int) -> bool:
    storage = facts["storage"]
    return (
        len(storage) == 3
        and len({device for device, _ in storage.values()}) == 1
        and all(0 < size <= disk_bytes + 4096 for _, size in storage.values())
    )
