"""Seeing that a container is gone, and that nothing of it is alive."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox._docker._engine import Engine, Gone, calls

_ORDERLY_SECONDS = 20
_FORCED_SECONDS = 60
_LOOK_SECONDS = 0.05


def see_end(engine: Engine, container: str, *, orderly: bool) -> None:
    """Return when a container is gone.

    Args:
        engine: Where it is.
        container: Its id.
        orderly: Its first process is ending by itself; otherwise it is killed first.

    Raises:
        SandboxUnavailable: It cannot be ended, or the engine is gone; then its processes are gone too, as
            far as they can be seen from here.
    """
    try:
        if orderly and engine.wait_until_removed(container, _ORDERLY_SECONDS):
            return
        remove(engine, container)
        if engine.wait_until_removed(container, _FORCED_SECONDS):
            return
    except SandboxUnavailable:
        _see_all_end(container)
        raise
    raise SandboxUnavailable(
        f"docker: container {container[:12]} cannot be ended", f"Try: docker rm -f {container[:12]}"
    )


def remove(engine: Engine, container: str) -> None:
    """Kill a container and have it removed; one that is gone, or being removed, is as good."""
    import docker.errors

    try:
        with calls("remove a container"):
            engine.client.remove_container(container, force=True, v=True)
    except Gone:
        return
    except SandboxUnavailable as error:
        cause = error.__cause__
        if not (isinstance(cause, docker.errors.APIError) and cause.status_code == 409):
            raise


def _see_all_end(container: str) -> None:
    until = time.monotonic() + _FORCED_SECONDS
    while pids := processes(container):
        for pid in pids:
            # Only root may; otherwise the first process ends by itself, for it hears nothing any more.
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            raise SandboxUnavailable(
                f"docker: the engine is gone, and container {container[:12]} is still alive",
                f"Start the engine, then: docker rm -f {container[:12]}",
            )
        time.sleep(_LOOK_SECONDS)


def processes(container: str) -> list[int]:
    """Processes of this machine that are in a container, by their control group."""
    mark = container.encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "cgroup").read_bytes():
                found.append(int(folder.name))
    return found
