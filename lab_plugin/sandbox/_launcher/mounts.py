"""A private view of the host, from which bubblewrap takes what the program may see.

Sources are opened before anything is mounted and bound through their descriptors: neither a link that
appears later nor a parent folder that the dropped user may not enter matters.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from . import linux
from .folders import ANCHOR, TooDeep, anchor, give
from .layout import PROGRAMS, python_script
from .request import Broken, Refused, Request

_PRIVATE = "/tmp"  # noqa: S108 - in a mount namespace of our own
SCRATCH = f"{_PRIVATE}/scratch"
_INODE_BYTES = 4096
_MIN_INODES = 65_536


class Bind(NamedTuple):
    """One thing to show: where it is bound on our side, where the program sees it, and how."""

    source: str
    target: str
    writable: bool


def separate() -> None:
    """Enter a mount namespace of our own; without root, through a user namespace with the same ids.

    Raises:
        Broken: This machine does not allow it.
    """
    uid, gid = os.getuid(), os.getgid()
    try:
        if uid == 0:
            linux.unshare(linux.CLONE_NEWNS)
        else:
            linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
            _put("/proc/self/setgroups", "deny")
            _put("/proc/self/uid_map", f"{uid} {uid} 1")
            _put("/proc/self/gid_map", f"{gid} {gid} 1")
        linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    except OSError as error:
        raise Broken(
            f"namespaces are not allowed here: {error.strerror or error}", namespaces_remedy()
        ) from None


def namespaces_remedy() -> str:
    """What to allow so that namespaces work."""
    for switch, value in (
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("kernel/unprivileged_userns_clone", "1"),
    ):
        path = f"/proc/sys/{switch}"
        if os.path.exists(path):
            with open(path) as file:
                if file.read().strip() != value:
                    return f"Allow user namespaces: sudo sysctl -w {switch.replace('/', '.')}={value}"
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "A container does not allow namespaces inside it: run the lab on the host."
    return "Allow user namespaces: sudo sysctl -w user.max_user_namespaces=10000"


def build(request: Request) -> list[Bind]:
    """Mount everything that the program sees of the host, and its size-limited writable storage.

    Raises:
        Refused: A source cannot be shown.
    """
    sources = _open_sources(request)
    owner = os.getuid() if request.uid is None else request.uid
    try:
        linux.mount("lab", _PRIVATE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
        binds = [_bind(number, *source, request) for number, source in enumerate(sources)]
        _make_scratch(request, owner)
        return [*binds, *_make_etc(owner), *_make_programs(request)]
    finally:
        for fd, _, _ in sources:
            os.close(fd)


def _open_sources(request: Request) -> list[tuple[int, str, bool]]:
    sources = [(_open(path, "mount"), path, False) for path in request.mounts]
    workspace = _open(request.workspace, "workspace")
    sources.append((workspace, "/lab/workspace", False))
    for relative in request.writable:
        try:
            fd = anchor(workspace, relative)
        except OSError as error:
            reason = error.strerror or error
            raise Refused(f"writable path {relative} cannot be opened: {reason}") from None
        sources.append((fd, os.path.normpath(f"/lab/workspace/{relative}"), True))
    for variable, path in request.inputs.items():
        sources.append((_open(path, variable), input_path(variable, path), False))
    return sources


def input_path(variable: str, path: str) -> str:
    """Where the program sees an input; its own name is kept, for programs that look at suffixes."""
    return f"/lab/inputs/{variable}/{os.path.basename(path)}"


def _open(path: str, what: str) -> int:
    try:
        return os.open(path, ANCHOR & ~os.O_NOFOLLOW)
    except OSError as error:
        raise Refused(f"{what} {path} cannot be opened: {error.strerror}") from None


def _bind(number: int, fd: int, target: str, writable: bool, request: Request) -> Bind:
    status = os.fstat(fd)
    folder = stat.S_ISDIR(status.st_mode)
    if not folder and not stat.S_ISREG(status.st_mode):
        raise Refused(f"{target} is neither a file nor a folder")
    if request.uid is not None and not writable and not status.st_mode & (0o001 if folder else 0o004):
        raise Refused(
            f"{target} cannot be read by the sandbox's user (mode {stat.S_IMODE(status.st_mode):o})",
            "Make it readable by others (umask 022); its parent folders may stay closed.",
        )
    if writable and request.uid is not None:
        try:
            give(fd, request.uid)
        except TooDeep:
            raise Refused(f"writable path {target} nests too deep") from None
    source = f"{_PRIVATE}/{number}"
    if folder:
        os.mkdir(source)
    else:
        _put(source, "")
    linux.mount(f"/proc/self/fd/{fd}", source, flags=linux.MS_BIND | linux.MS_REC)
    return Bind(source, target, writable)


def _make_scratch(request: Request, owner: int) -> None:
    inodes = max(_MIN_INODES, request.disk_bytes // _INODE_BYTES)
    options = f"size={request.disk_bytes},nr_inodes={inodes},mode=755"
    os.mkdir(SCRATCH)
    linux.mount("lab", SCRATCH, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    for name in ("outputs", "tmp", "shm"):
        os.mkdir(f"{SCRATCH}/{name}", 0o700)
        if request.uid is not None:
            os.chown(f"{SCRATCH}/{name}", owner, owner)


def _make_etc(owner: int) -> list[Bind]:
    group = os.getgid() if owner == os.getuid() else owner
    texts = {
        "passwd": f"lab:x:{owner}:{group}::/tmp:/bin/sh\n",
        "group": f"lab:x:{group}:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "hosts": "127.0.0.1 localhost lab\n::1 localhost\n",
    }
    for name, text in texts.items():
        _put(f"{_PRIVATE}/{name}", text)
    return [Bind(f"{_PRIVATE}/{name}", f"/etc/{name}", False) for name in texts]


def _make_programs(request: Request) -> list[Bind]:
    if request.python_named:
        return []
    source = f"{_PRIVATE}/python"
    _put(source, python_script(request.python))
    os.chmod(source, 0o755)  # noqa: S103 - a program for every user
    return [Bind(source, f"/lab/bin/{name}", False) for name in PROGRAMS]


def _put(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
