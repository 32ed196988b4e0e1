"""A job as the engine's description of a hardened container, and as the first process's setup."""

from __future__ import annotations

import os
import re
import secrets
from typing import Any, NamedTuple

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._docker._binds import FORWARDER, NETWORK_SOCKET, Mount, Workspace, edits, input_path
from lab_plugin.sandbox._docker._bundle import bootstrap
from lab_plugin.sandbox._docker._engine import Engine
from lab_plugin.sandbox._docker._image import Image
from lab_plugin.sandbox._docker._owner import LABEL, own
from lab_plugin.sandbox._docker.inside.setup import OUTPUTS, WORKSPACE, Setup

# Users that no distribution, container tool or service hands out; and such that an engine which maps
# users can map: it has 65,536.
_USERS = {"candidate": 1_900_000_001, "scorer": 1_900_000_002, "proposer": 1_900_000_003}
_MAPPED_USERS = {"candidate": 60_101, "scorer": 60_102, "proposer": 60_103}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
JOB_LABEL = "prefect-lab.job"
SILENCE_SECONDS = 30.0
STANDBY_SECONDS = 60.0
_LEAST_MEMORY = 24 << 20
_LEAST_DISK = 1 << 16
_LEAST_CPUS = 0.01
_SHARED_PART = 4
_INODE_BYTES = 4096
_LEAST_INODES = 65_536
_OPEN_FILES = 16_384
_TMP = "/tmp"  # noqa: S108 - in the container


class Who(NamedTuple):
    """Whom a program runs as.

    Attributes:
        uid: User inside.
        gid: Group inside.
        given: What is editable must be given to that user first.
        split: It is a user of its own role.
    """

    uid: int
    gid: int
    given: bool
    split: bool


def who(job: Job, engine: Engine) -> Who:
    """The user for a job: one per role, or the lab's own where its files are edited and cannot be given away.

    Raises:
        SandboxError: The engine maps users, and files are to be edited.
    """
    mapped = {"rootless", "userns"} & engine.options
    uid = (_MAPPED_USERS if mapped else _USERS)[job.role]
    if not edits(job):
        return Who(uid, uid, given=False, split=True)
    if "userns" in mapped:
        raise SandboxError(
            f"{job.name}: this engine maps users (userns-remap), so no file can be edited in place",
            "Turn userns-remap off, or use the sandbox bubblewrap.",
        )
    if "rootless" in mapped:
        # Inside, the engine's own user, which is the lab's, has the number of root; it has no power.
        return Who(0, 0, given=False, split=False)
    if os.getuid() == 0:
        return Who(uid, uid, given=True, split=True)
    return Who(os.getuid(), os.getgid(), given=False, split=False)


def name(job: Job) -> str:
    """A container's name: the job's, made unique."""
    plain = re.sub(r"[^a-zA-Z0-9_.-]+", "-", job.name)[:60]
    return f"lab-{plain}-{secrets.token_hex(6)}"


def name_ahead() -> str:
    """The name of a container that waits for a job."""
    return f"lab-ahead-{secrets.token_hex(6)}"


def container(
    job: Job, image: Image, user: Who, mounts: list[Mount], engine: Engine, *, python: str
) -> dict[str, Any]:
    """The engine's description of a job's container.

    Raises:
        SandboxError: A limit that no container can hold.
    """
    _check(job)
    return {
        "Image": image.identity,
        # Where NVIDIA's is the engine's usual runtime, an image could ask for devices by itself.
        "Env": [f"NVIDIA_VISIBLE_DEVICES={','.join(job.gpus) or 'void'}"],
        "Entrypoint": [python, "-I", "-S", "-c", bootstrap(SILENCE_SECONDS)],
        "Cmd": [],
        "User": f"{user.uid}:{user.gid}",
        "WorkingDir": "/",
        "Hostname": "lab",
        "Labels": {LABEL: str(own()), JOB_LABEL: job.name, "prefect-lab.role": job.role},
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": _host(job, user, mounts, engine),
    }


def setup(workspace: Workspace, image: Image, filters: list[bytes], python: str) -> Setup:
    """What the first process is to do for a job."""
    job = workspace.job
    environment = _environment(job, image, python)
    limits = job.limits
    return Setup(
        command=[os.fsencode(part) for part in (*_in_front(job, python), *job.command)],
        environment=[os.fsencode(f"{name}={value}") for name, value in environment.items()],
        directory=os.fsencode(os.path.normpath(f"{WORKSPACE}/{job.directory}")),
        outputs=[os.fsencode(output) for output in job.outputs],
        filters=filters,
        limits=[
            *(int(limits.wall_seconds * 1e9), limits.log_bytes, limits.file_bytes, limits.disk_bytes),
            int(SILENCE_SECONDS * 1e9),
        ],
        shown=[(WORKSPACE, *workspace.identity)] if workspace.identity else [],
    )


def _in_front(job: Job, python: str) -> tuple[str, ...]:
    return (python, "-I", "-S", FORWARDER, NETWORK_SOCKET, "--") if job.network_socket else ()


def _environment(job: Job, image: Image, python: str) -> dict[str, str]:
    threads = str(max(1, int(job.limits.cpus)))
    folder = os.path.dirname(python)
    path = image.environment.get("PATH", _PATH)
    return {
        **image.environment,
        "PATH": f"{folder}:{path}" if folder else path,
        "HOME": _TMP,
        "TMPDIR": _TMP,
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        **_cards(job),
        **job.environment,
        **{name: input_path(name, path) for name, path in job.inputs.items()},
        **{name: os.path.normpath(f"{OUTPUTS}/{path}") for name, path in job.output_variables.items()},
    }


def _cards(job: Job) -> dict[str, str]:
    """What CUDA is told: ids hold inside too, while the cards of a container are counted anew from 0."""
    if not job.gpus:
        return {}
    named = all(card.startswith(("GPU-", "MIG-")) for card in job.gpus)
    return {"CUDA_VISIBLE_DEVICES": ",".join(job.gpus if named else map(str, range(len(job.gpus))))}


def _check(job: Job) -> None:
    for limit, least in (("memory_bytes", _LEAST_MEMORY), ("disk_bytes", _LEAST_DISK), ("cpus", _LEAST_CPUS)):
        if getattr(job.limits, limit) < least:
            raise SandboxError(
                f"{job.name}: limit {limit} is below {least:,}, the least a container can hold"
            )


def _host(job: Job, user: Who, mounts: list[Mount], engine: Engine) -> dict[str, Any]:
    limits = job.limits
    shared = limits.disk_bytes // _SHARED_PART
    cpus = min(limits.cpus, engine.facts.get("NCPU") or limits.cpus)
    host: dict[str, Any] = {
        "AutoRemove": True,
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "Privileged": False,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": int(cpus * 1e9),
        # The first process is one of them, and so is the forwarder to the network.
        "PidsLimit": limits.processes + 1 + bool(job.network_socket),
        "ShmSize": shared,
        "Tmpfs": {_TMP: _tmpfs(limits.disk_bytes - shared, user)},
        "Mounts": mounts,
        # A core limit of 1, unlike 0, also keeps the kernel from handing a core to a program of the host.
        "Ulimits": [_ulimit("core", 1), _ulimit("nofile", _OPEN_FILES)],
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
    }
    if job.gpus:
        host["DeviceRequests"] = [{"Driver": "", "DeviceIDs": list(job.gpus), "Capabilities": [["gpu"]]}]
    return host


def _tmpfs(size: int, user: Who) -> str:
    inodes = max(_LEAST_INODES, size // _INODE_BYTES)
    return f"rw,exec,nosuid,nodev,size={size},nr_inodes={inodes},mode=700,uid={user.uid},gid={user.gid}"


def _ulimit(name: str, value: int) -> dict[str, Any]:
    return {"Name": name, "Soft": value, "Hard": value}
