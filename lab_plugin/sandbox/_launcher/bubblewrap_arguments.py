"""bubblewrap's command line."""

from __future__ import annotations

import os

from .layout import Layout, variables
from .mounts import FORWARDER, NETWORK_SOCKET, SCRATCH, WORKSPACE, Bind, input_path
from .request import Request

_HIDDEN_BYTES = 1 << 20
_LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


def arguments(request: Request, binds: list[Bind], status: int, block: int, calls: int = -1) -> list[str]:
    """The whole command line.

    Args:
        request: The job.
        binds: What the program sees of the host.
        status: Descriptor to tell process id and exit status on.
        block: Descriptor to wait for before the program starts.
        calls: Descriptor to read the filter of system calls from; -1 for no filter.
    """
    found = [request.bwrap, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    found += ["--unshare-uts", "--unshare-cgroup-try", "--hostname", "lab", "--new-session"]
    found += ["--die-with-parent", "--cap-drop", "ALL"]
    if calls >= 0:
        found += ["--seccomp", str(calls)]
    found += ["--json-status-fd", str(status), "--block-fd", str(block)]
    found += [*_system(), *_storage(), *_shown(binds)]
    found += ["--remount-ro", "/dev", "--remount-ro", "/", "--clearenv"]
    for name, value in variables(request, _layout(request)).items():
        found += ["--setenv", name, value]
    directory = os.path.normpath(f"{WORKSPACE}/{request.directory}")
    return [*found, "--chdir", directory, "--", *_command(request)]


def _layout(request: Request) -> Layout:
    inputs = {name: input_path(name, path) for name, path in request.inputs.items()}
    programs = "" if request.python_named else "/lab/bin"
    return Layout(WORKSPACE, "/lab/outputs", "/tmp", programs, inputs)  # noqa: S108 - inside


def _command(request: Request) -> list[str]:
    if not request.network_socket:
        return request.command
    return [request.python, "-I", "-S", FORWARDER, NETWORK_SOCKET, "--", *request.command]


def _system() -> list[str]:
    found = ["--ro-bind", "/usr", "/usr"]
    for path in _LINKED:
        if os.path.islink(path):
            found += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            found += ["--ro-bind", path, path]
    return [*found, "--proc", "/proc", "--dev", "/dev"]


def _storage() -> list[str]:
    places = (("tmp", "/tmp"), ("shm", "/dev/shm"), ("outputs", "/lab/outputs"))  # noqa: S108 - inside
    found = []
    for name, target in places:
        found += ["--bind", f"{SCRATCH}/{name}", target]
    return found


def _shown(binds: list[Bind]) -> list[str]:
    found, hidden = [], []
    for bind in binds:
        if bind.source:
            found += ["--bind" if bind.mode == "rw" else "--ro-bind", bind.source, bind.target]
        else:
            # Closed for writing at the end: what is shown below a hidden folder needs folders in it.
            found += ["--perms", "0555", "--size", str(_HIDDEN_BYTES), "--tmpfs", bind.target]
            hidden += ["--remount-ro", bind.target]
    return [*found, *hidden]
