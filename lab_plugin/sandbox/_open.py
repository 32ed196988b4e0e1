"""From a kind's name to a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox._bubblewrap import BubblewrapSandbox
from lab_plugin.sandbox._contract import Sandbox
from lab_plugin.sandbox._docker import DockerSandbox, image_digest
from lab_plugin.sandbox._process import ProcessSandbox

GROUP = "lab_plugin.sandboxes"
_OWN = ("bubblewrap", "docker", "process")


def open_sandbox(
    kind: str = "auto",
    *,
    python: Path | None = None,
    mounts: Sequence[Path] = (),
    image: str | None = None,
    dockerfile: Path | None = None,
    gpus: int = 0,
) -> Sandbox:
    """Make a sandbox by the name of its kind.

    A plug-in offers a further kind by an entry point of the group `lab_plugin.sandboxes`: the kind's
    name and a callable that takes the keywords `python` and `mounts` and returns a `Sandbox`. The
    names of the lab's own kinds cannot be taken.

    Args:
        kind: `auto`, `bubblewrap`, `docker`, `process`, or a plug-in's name. `auto` is `docker` where an
            image, a Dockerfile or GPUs are asked for, else bubblewrap, else `docker`; never `process`.
        python: Interpreter that `python` means inside; None for the one that runs this process, or for
            `docker` the one on the image's PATH.
        mounts: Further host folders that programs may read at their own paths.
        image: Name, `name@sha256:...` or id of the image; for `docker` only.
        dockerfile: The lab's own Dockerfile; for `docker` only.
        gpus: Cards that candidates will ask for; for `docker` only.

    Raises:
        SandboxUnavailable: It cannot be had on this machine; the remedy says what to install.
        SandboxError: There is no such kind, its plug-in is broken, or it has no images.
    """
    wants_docker = bool(image or dockerfile or gpus)
    if kind == "docker" or (kind == "auto" and wants_docker):
        return DockerSandbox(python=python, mounts=mounts, image=image, dockerfile=dockerfile)
    if wants_docker:
        raise SandboxError(
            f"sandbox {kind!r} has no image, Dockerfile or GPUs",
            "Set [sandbox] kind to docker, or leave them out.",
        )
    if kind == "auto":
        return _open_any(python, mounts)
    if kind in _OWN:
        made = BubblewrapSandbox if kind == "bubblewrap" else ProcessSandbox
        return made(python=python, mounts=mounts)
    sandbox = _load(_find(kind))(python=python, mounts=mounts)
    if not isinstance(sandbox, Sandbox):
        raise SandboxError(f"plug-in {kind!r} made a {type(sandbox).__name__}, which is no Sandbox")
    return sandbox


def image_of(
    kind: str = "auto", *, image: str | None = None, dockerfile: Path | None = None, gpus: int = 0
) -> str | None:
    """The digest of the image that `open_sandbox` would run programs in, by the same arguments.

    Returns:
        None where it would be a sandbox without images.

    Raises:
        SandboxUnavailable: There is no engine that has the image.
        SandboxError: The image cannot be used.
    """
    if kind == "auto" and not (image or dockerfile or gpus):
        try:
            BubblewrapSandbox()
        except SandboxUnavailable:
            with suppress(SandboxUnavailable):
                return image_digest(None, None)
        # Where there is neither, opening the sandbox says so best.
        return None
    return image_digest(image, dockerfile) if kind in ("auto", "docker") else None


def warning(kind: str) -> str:
    """What a user must know before programs run in a sandbox of this kind; empty when it contains them.

    To be said once per campaign.
    """
    if kind != ProcessSandbox.kind:
        return ""
    return (
        "sandbox 'process' does not contain a hostile candidate: it can read and change all that this user "
        "can, the scorer and its answers too. Use it only for programs that you trust."
    )


def _open_any(python: Path | None, mounts: Sequence[Path]) -> Sandbox:
    try:
        return BubblewrapSandbox(python=python, mounts=mounts)
    except SandboxUnavailable as first:
        try:
            # A path of this machine says nothing about an image.
            return DockerSandbox(mounts=mounts)
        except SandboxUnavailable as second:
            raise SandboxUnavailable(f"{first.message}; {second.message}", first.remedy) from None


def _find(kind: str) -> EntryPoint:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if kind not in found:
        known = ", ".join(sorted({"auto", *_OWN, *found}))
        raise SandboxError(f"there is no sandbox {kind!r}", f"Use one of: {known}.")
    return found[kind]


def _load(entry: EntryPoint) -> Callable[..., object]:
    # A plug-in's module may raise anything while it is imported.
    try:
        loaded: Callable[..., object] = entry.load()
    except Exception as error:
        raise SandboxError(
            f"sandbox plug-in {entry.name!r} ({entry.value}) cannot be loaded: {error}", "Reinstall it."
        ) from error
    return loaded
