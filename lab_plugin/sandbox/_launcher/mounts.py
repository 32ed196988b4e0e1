"""A private view of the host, from which bubblewrap takes what the program may see.

Sources are opened before anything is mounted and bound through their descriptors: neither a link that
appears later nor a parent folder that the dropped user may not enter matters.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from . import linux
from .folders import ANCHOR
from .layout import PROGRAMS, python_script
from .request import Broken, Refused, Request
from .rules import Place, open_places, prepare

PRIVATE = "/tmp"  # noqa: S108 - in a mount namespace of our own
_PRIVATE_OPTIONS = "size=4m,nr_inodes=8192,mode=755"
_EMPTY = f"{PRIVATE}/empty"
_ETC = f"{PRIVATE}/etc"
_ETC_SHOWN = ("alternatives", "ld.so.cache", "localtime")
LOGS = f"{PRIVATE}/logs"
SCRATCH = f"{PRIVATE}/scratch"
WORKSPACE = "/lab/workspace"
NETWORK_SOCKET = "/run/lab/network.sock"
FORWARDER = "/run/lab/forwarder.py"
_INODE_BYTES = 4096
_MIN_INODES = 65_536


class Bind(NamedTuple):
    """One thing to show: where it is bound on our side, where the program sees it, and how.

    Attributes:
        source: Empty for a hidden folder, which has none.
        target: Its path inside.
        mode: `rw`, `ro` or `hidden`.
    """

    source: str
    target: str
    mode: str


class View(NamedTuple):
    """What a program sees of the host.

    Attributes:
        binds: In the order in which they are to be made.
        workspace: Open folder.
        places: What the rules made of it.
    """

    binds: list[Bind]
    workspace: int
    places: list[Place]


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
            put("/proc/self/setgroups", "deny")
            put("/proc/self/uid_map", f"{uid} {uid} 1")
            put("/proc/self/gid_map", f"{gid} {gid} 1")
        linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    except OSError as error:
        raise Broken(
            f"namespaces are not allowed here: {error.strerror or error}", namespaces_remedy()
        ) from None


def namespaces() -> list[int]:
    """Descriptors of the namespaces that `separate` made, in the order in which others enter them."""
    names = ("mnt",) if os.getuid() == 0 else ("user", "mnt")
    return [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]


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


def build(request: Request) -> View:
    """Mount everything that the program sees of the host, and its size-limited writable storage.

    Raises:
        Refused: A source cannot be shown.
    """
    workspace = open_source(request.workspace, "workspace")
    places = open_places(workspace, request.rules)
    prepare(places, request.uid)
    sources = [Source(open_source(path, "mount"), path) for path in request.mounts]
    sources += [
        Source(place.fd, os.path.normpath(f"{WORKSPACE}/{place.path}"), place.mode) for place in places
    ]
    for variable, path in request.inputs.items():
        sources.append(Source(open_source(path, variable), input_path(variable, path)))
    if request.network_socket:
        sources.append(Source(open_source(request.network_socket, "network socket"), NETWORK_SOCKET))
        sources.append(Source(open_source(request.forwarder, "forwarder"), FORWARDER))
    owner = os.getuid() if request.uid is None else request.uid
    mount_private()
    put(_EMPTY, "")
    binds = [_bind(number, source, request.uid) for number, source in enumerate(sources)]
    make_scratch(request, owner)
    return View([*_make_etc(owner), *binds, *_make_programs(request)], workspace, places)


class Source(NamedTuple):
    """One thing of the host to show: what it is, where the program sees it, and how."""

    fd: int
    target: str
    mode: str = "ro"


def mount_private() -> None:
    """Mount the folder in which a view is put together."""
    linux.mount("lab", PRIVATE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, _PRIVATE_OPTIONS)


def input_path(variable: str, path: str) -> str:
    """Where the program sees an input; its own name is kept, for programs that look at suffixes."""
    return f"/lab/inputs/{variable}/{os.path.basename(path)}"


def open_source(path: str, what: str) -> int:
    """O_PATH descriptor of something to show.

    Raises:
        Refused: It cannot be opened.
    """
    try:
        return os.open(path, ANCHOR & ~os.O_NOFOLLOW)
    except OSError as error:
        raise Refused(f"{what} {path} cannot be opened: {error.strerror}") from None


def _bind(number: int, source: Source, uid: int | None) -> Bind:
    status = os.fstat(source.fd)
    folder = stat.S_ISDIR(status.st_mode)
    if source.mode == "hidden":
        return Bind("" if folder else _EMPTY, source.target, "hidden")
    require_usable(source, status, uid)
    place = f"{PRIVATE}/{number}"
    if folder:
        os.mkdir(place)
    else:
        put(place, "")
    linux.mount(f"/proc/self/fd/{source.fd}", place, flags=linux.MS_BIND | linux.MS_REC)
    return Bind(place, source.target, source.mode)


def require_usable(source: Source, status: os.stat_result, uid: int | None) -> None:
    """See that the program's user can read it.

    Raises:
        Refused: It is of the wrong kind, or closed to others.
    """
    target, kind = source.target, stat.S_IFMT(status.st_mode)
    if target == NETWORK_SOCKET:
        allowed, wanted, act = {stat.S_IFSOCK: 0o002}, "no unix socket", "connected to"
    else:
        allowed = {stat.S_IFDIR: 0o001, stat.S_IFREG: 0o004, stat.S_IFSOCK: 0o002}
        wanted, act = "neither a file nor a folder nor a unix socket", "used"
    if kind not in allowed:
        raise Refused(f"{target} is {wanted}")
    if uid is not None and source.mode == "ro" and not status.st_mode & allowed[kind]:
        raise Refused(
            f"{target} cannot be {act} by the sandbox's user (mode {stat.S_IMODE(status.st_mode):o})",
            "Make it readable by others (umask 022); its parent folders may stay closed.",
        )


def make_scratch(request: Request, owner: int) -> None:
    """Mount the size-limited storage that the program may write, with its three folders."""
    inodes = max(_MIN_INODES, request.disk_bytes // _INODE_BYTES)
    options = f"size={request.disk_bytes},nr_inodes={inodes},mode=755"
    os.mkdir(SCRATCH)
    linux.mount("lab", SCRATCH, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    for name in ("outputs", "tmp", "shm"):
        os.mkdir(f"{SCRATCH}/{name}", 0o700)
        if request.uid is not None:
            os.chown(f"{SCRATCH}/{name}", owner, owner)


def _make_etc(owner: int) -> list[Bind]:
    """One folder with all that programs look for in /etc: each mount of its own would cost time."""
    group = os.getgid() if owner == os.getuid() else owner
    texts = {
        "passwd": f"lab:x:{owner}:{group}::/tmp:/bin/sh\n",
        "group": f"lab:x:{group}:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "hosts": "127.0.0.1 localhost lab\n::1 localhost\n",
    }
    os.mkdir(_ETC)
    for name, text in texts.items():
        put(f"{_ETC}/{name}", text)
    binds = [Bind(_ETC, "/etc", "ro")]
    for name in _ETC_SHOWN:
        if os.path.isdir(f"/etc/{name}"):
            os.mkdir(f"{_ETC}/{name}")
        elif os.path.isfile(f"/etc/{name}"):
            put(f"{_ETC}/{name}", "")
        else:
            continue
        binds.append(Bind(f"/etc/{name}", f"/etc/{name}", "ro"))
    return binds


def _make_programs(request: Request) -> list[Bind]:
    if request.python_named:
        return []
    source = f"{PRIVATE}/python"
    put(source, python_script(request.python))
    os.chmod(source, 0o755)  # noqa: S103 - a program for every user
    return [Bind(source, f"/lab/bin/{name}", "ro") for name in PROGRAMS]


def put(path: str, text: str) -> None:
    """Write a file that holds at most a page."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
