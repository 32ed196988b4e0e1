"""What a container sees of the host: the workspace by its rules, the inputs, and further folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._docker.inside.setup import WORKSPACE
from lab_plugin.sandbox._launcher.grown import Grown
from lab_plugin.sandbox._launcher.request import Broken, Refused
from lab_plugin.sandbox._launcher.rules import Place, open_grown, open_places, prepare, require_unmoved

NETWORK_SOCKET = "/run/lab/network.sock"
FORWARDER = "/run/lab/forwarder.py"
INPUTS = "/lab/inputs"
_FORWARDER = Path(__file__).parents[2] / "network" / "forwarder.py"
_EMPTY = Path(__file__).with_name("empty")
# Without a network, the engine writes none, and `localhost` would mean nothing.
_HOSTS = Path(__file__).with_name("hosts")
_HIDDEN_BYTES = 1 << 20
_RECURSIVELY_CLOSED = (1, 44)
_READABLE = {stat.S_IFDIR: 0o001, stat.S_IFREG: 0o004}
_CONNECTABLE = {stat.S_IFSOCK: 0o002}

Mount = dict[str, Any]


def rules(job: Job) -> dict[str, str]:
    """Path of the workspace -> `rw`, `ro` or `hidden`."""
    return {**dict.fromkeys(job.writable, "rw"), **job.files}


def edits(job: Job) -> bool:
    """Whether the program may change files of the host."""
    return "rw" in rules(job).values()


class Workspace(NamedTuple):
    """A workspace, opened, whose rules can be held.

    Attributes:
        job: Its job.
        root: Open folder.
        places: What the rules made of it.
        grown: What growth counts as the program's writing.
    """

    job: Job
    root: int
    places: list[Place]
    grown: Grown

    @property
    def identity(self) -> tuple[int, int] | None:
        """Device and inode by which a program can tell the workspace; None where its root is hidden."""
        if rules(self.job).get(".") == "hidden":
            return None
        status = os.fstat(self.root)
        return status.st_dev, status.st_ino

    def require_unmoved(self) -> None:
        """See that what was kept from the program is still where it was.

        Raises:
            SandboxUnavailable: It is not.
        """
        try:
            require_unmoved(self.root, self.places)
        except Broken as fault:
            raise SandboxUnavailable(f"docker: {self.job.name}: {fault.message}", fault.remedy) from None


def open_workspace(job: Job, uid: int | None, stack: ExitStack) -> Workspace:
    """Open what the rules name, and give what may be edited to the program's user.

    Args:
        job: The job.
        uid: That user; None for whom it belongs to now.
        stack: Closes what was opened.

    Raises:
        SandboxError: A path is missing or a link, or a change could leave the workspace by a hard link.
    """
    root = os.open(job.workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, root)
    try:
        places = open_places(root, rules(job))
        for place in places:
            stack.callback(os.close, place.fd)
        prepare(places, uid)
    except Refused as refusal:
        raise SandboxError(f"{job.name}: {refusal.message}", refusal.remedy) from None
    except OSError as error:
        raise SandboxError(f"{job.name}: the workspace cannot be given to the program: {error}") from None
    grown = open_grown(places)
    for fd in grown.fds:
        stack.callback(os.close, fd)
    return Workspace(job, root, places, grown)


def mounts(workspace: Workspace, shown: Iterable[Path], version: tuple[int, ...]) -> list[Mount]:
    """The engine's mounts for a job; it makes outer ones first.

    Args:
        workspace: The job's.
        shown: Host folders seen at their own paths.
        version: Of the engine's API.

    Raises:
        SandboxError: A source cannot be shown.
    """
    job = workspace.job
    found = [_close(_bind(_HOSTS, "/etc/hosts"), version)]
    found += [_close(_bind(path, str(path)), version) for path in shown]
    found += [_place(workspace, place, version) for place in workspace.places]
    for name, path in job.inputs.items():
        found.append(_close(_bind(path, input_path(name, path), _READABLE | _CONNECTABLE), version))
    if job.network_socket:
        found.append(_bind(job.network_socket, NETWORK_SOCKET, _CONNECTABLE))
        found.append(_close(_bind(_FORWARDER, FORWARDER), version))
    return found


def input_path(variable: str, path: Path) -> str:
    """Where the program sees an input; its own name is kept, for programs that look at suffixes."""
    return f"{INPUTS}/{variable}/{os.path.basename(os.path.abspath(path))}"


def inputs(folder: Path, version: tuple[int, ...]) -> Mount:
    """The mount of a host folder that holds inputs as a container shows them."""
    return _close(_bind(folder, INPUTS), version)


def _place(workspace: Workspace, place: Place, version: tuple[int, ...]) -> Mount:
    target = os.path.normpath(f"{WORKSPACE}/{place.path}")
    if place.mode == "hidden":
        if not stat.S_ISDIR(os.fstat(place.fd).st_mode):
            return _close(_bind(_EMPTY, target), version)
        options = {"SizeBytes": _HIDDEN_BYTES, "Mode": 0o555}
        return {"Type": "tmpfs", "Target": target, "ReadOnly": True, "TmpfsOptions": options}
    source = workspace.job.workspace / place.path
    if place.mode == "rw":
        return _bind(source, target, None)
    return _close(_bind(source, target), version)


def _bind(path: Path, target: str, allowed: dict[int, int] | None = _READABLE) -> Mount:
    """A bind mount; what it shows must be of an allowed kind, with the mode bits that the kind needs."""
    source = os.path.realpath(path)
    try:
        mode = os.stat(source).st_mode
    except OSError as error:
        raise SandboxError(f"docker: {path} cannot be opened: {error.strerror}") from None
    if allowed is not None:
        if stat.S_IFMT(mode) not in allowed:
            wanted = "unix socket" if allowed is _CONNECTABLE else "file or folder"
            raise SandboxError(f"docker: {path} is no {wanted}")
        if not mode & allowed[stat.S_IFMT(mode)]:
            act = "connected to" if stat.S_ISSOCK(mode) else "read"
            raise SandboxError(
                f"docker: {path} cannot be {act} by the sandbox's user (mode {stat.S_IMODE(mode):o})",
                "Make it readable by others (umask 022); its parent folders may stay closed.",
            )
    options = {"Propagation": "rprivate"}
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": False, "BindOptions": options}


def _close(mount: Mount, version: tuple[int, ...]) -> Mount:
    # A file system mounted below the source would stay writable, unless the engine can close it too.
    below = {"ReadOnlyForceRecursive": True} if version >= _RECURSIVELY_CLOSED else {"NonRecursive": True}
    return {**mount, "ReadOnly": True, "BindOptions": {**mount["BindOptions"], **below}}
