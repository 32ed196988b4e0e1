"""What a trial in a fork of the warm interpreter sees of the host: mounts that its warden attaches."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from . import linux
from .folders import FOLDER
from .layout import PROGRAMS, Layout, python_script
from .mounts import (
    PRIVATE,
    SCRATCH,
    WORKSPACE,
    Source,
    input_path,
    make_scratch,
    mount_private,
    open_source,
    put,
    require_usable,
)
from .request import Broken, Request

_LAB = f"{PRIVATE}/lab"
_OUTPUTS = f"{_LAB}/outputs"
# The trees that hide what the warm interpreter sees at these paths.
_PLACES = (("/lab/", f"{_LAB}/"), ("/tmp/", f"{SCRATCH}/tmp/"), ("/dev/shm/", f"{SCRATCH}/shm/"))  # noqa: S108
_REMEDY = "Leave out candidate.warm: it needs Linux 5.12 or later."


class WarmView(NamedTuple):
    """Detached trees for `/lab`, `/tmp` and `/dev/shm`, and the open folder of the storage."""

    lab: int
    temporary: int
    shared: int
    scratch: int


def build_warm(request: Request) -> WarmView:
    """Put the trees together, in a mount namespace of this process's own.

    Raises:
        Refused: A source cannot be shown.
        Broken: This kernel has no detached mounts.
    """
    hidden = [path for path in request.mounts if any(path.startswith(inside) for inside, _ in _PLACES)]
    sources = [Source(open_source(path, "mount"), path) for path in hidden]
    sources.append(Source(open_source(request.workspace, "workspace"), WORKSPACE))
    for variable, path in request.inputs.items():
        sources.append(Source(open_source(path, variable), input_path(variable, path)))
    mount_private()
    make_scratch(request, os.getuid() if request.uid is None else request.uid)
    os.mkdir(_LAB)
    try:
        for source in sources:
            _show(source, request.uid)
        _make_programs(request)
        os.mkdir(_OUTPUTS)
        linux.mount(f"{SCRATCH}/outputs", _OUTPUTS, flags=linux.MS_BIND)
        linux.set_attributes(_OUTPUTS, linux.ATTACHED_WRITABLE, recursive=False)
        lab = linux.detach_copy(_LAB)
        linux.set_attributes(lab, linux.ATTACHED_READ_ONLY, recursive=False)
        temporary, shared = (linux.detach_copy(f"{SCRATCH}/{name}") for name in ("tmp", "shm"))
    except OSError as error:
        raise Broken(f"a trial's mounts cannot be made: {error}", _REMEDY) from None
    return WarmView(lab, temporary, shared, os.open(SCRATCH, FOLDER))


def layout(request: Request) -> Layout:
    """Paths as in bubblewrap."""
    inputs = {name: input_path(name, path) for name, path in request.inputs.items()}
    programs = "" if request.python_named else "/lab/bin"
    return Layout(WORKSPACE, "/lab/outputs", "/tmp", programs, inputs)  # noqa: S108 - inside


def _show(source: Source, uid: int | None) -> None:
    status = os.fstat(source.fd)
    require_usable(source, status, uid)
    place = next(
        ours + source.target[len(inside) :] for inside, ours in _PLACES if source.target.startswith(inside)
    )
    if stat.S_ISDIR(status.st_mode):
        os.makedirs(place)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        put(place, "")
    linux.mount(f"/proc/self/fd/{source.fd}", place, flags=linux.MS_BIND | linux.MS_REC)
    linux.set_attributes(place, linux.ATTACHED_READ_ONLY, recursive=True)


def _make_programs(request: Request) -> None:
    if request.python_named:
        return
    os.mkdir(f"{_LAB}/bin")
    for name in PROGRAMS:
        put(f"{_LAB}/bin/{name}", python_script(request.python))
        os.chmod(f"{_LAB}/bin/{name}", 0o755)  # noqa: S103 - a program for every user
