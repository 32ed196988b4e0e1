"""From a kind's name to a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox._bubblewrap import BubblewrapSandbox
from lab_plugin.sandbox._contract import Sandbox
from lab_plugin.sandbox._process import ProcessSandbox

GROUP = "lab_plugin.sandboxes"
_OWN = {"bubblewrap": BubblewrapSandbox, "process": ProcessSandbox}


def open_sandbox(kind: str = "auto", *, python: Path | None = None, mounts: Sequence[Path] = ()) -> Sandbox:
    """Make a sandbox by the name of its kind.

    A plug-in offers a further kind by an entry point of the group `lab_plugin.sandboxes`: the kind's
    name and a callable that takes the keywords `python` and `mounts` and returns a `Sandbox`. The
    names of the lab's own kinds cannot be taken.

    Args:
        kind: `auto`, `bubblewrap`, `process`, or a plug-in's name. `auto` is bubblewrap, and never `process`.
        python: Interpreter that `python` means inside; None for the one that runs this process.
        mounts: Further host folders that programs may read at their own paths.

    Raises:
        SandboxUnavailable: It cannot be had on this machine; the remedy says what to install.
        SandboxError: There is no such kind, or its plug-in is broken.
    """
    own = _OWN.get("bubblewrap" if kind == "auto" else kind)
    if own is not None:
        return own(python=python, mounts=mounts)
    sandbox = _load(_find(kind))(python=python, mounts=mounts)
    if not isinstance(sandbox, Sandbox):
        raise SandboxError(f"plug-in {kind!r} made a {type(sandbox).__name__}, which is no Sandbox")
    return sandbox


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
