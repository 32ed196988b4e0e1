"""The Docker engine, and what goes wrong with it in words that help."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab_plugin.errors import SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

_SOCKET = "unix:///var/run/docker.sock"
_CONNECTIONS = 256
_CONNECT_SECONDS = 20
_CALL_SECONDS = 120
_OLDEST = (1, 41)
_LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "CPU time"}
_INSTALL = "Install Docker (sudo apt-get install docker.io) and start it: sudo systemctl start docker"


class Gone(Exception):
    """There is no such container (any more)."""


class Engine:
    """One engine, found as the `docker` command finds it: `DOCKER_HOST`, or its usual socket.

    Safe for use by several threads.

    Raises:
        SandboxUnavailable: There is none on this machine, it does not answer, this user may not use it, or
            it holds no limits.
    """

    def __init__(self) -> None:
        with calls("be reached"):
            self.client = _connect()
            self.facts: dict[str, Any] = self.client.info()
            version = tuple(int(part) for part in self.client.api_version.split("."))
        if version < _OLDEST:
            raise SandboxUnavailable(
                f"docker: the engine speaks API {self.client.api_version} only",
                "Install Docker 20.10 or later.",
            )
        self.version = version
        # It would take such a limit, warn where nobody reads it, and not hold it.
        if lacking := [what for fact, what in _LIMITS.items() if not self.facts.get(fact)]:
            raise SandboxUnavailable(
                f"docker: the engine cannot limit {', '.join(lacking)}",
                "Give it control groups: run it as root, or rootless on systemd with control groups "
                "version 2 and delegated controllers (docs.docker.com/engine/security/rootless).",
            )

    @property
    def options(self) -> frozenset[str]:
        """Names of the security options that it has: `seccomp`, `rootless`, `userns`."""
        entries = self.facts.get("SecurityOptions") or []
        return frozenset(
            part[5:] for entry in entries for part in str(entry).split(",") if part.startswith("name=")
        )

    def create(self, config: dict[str, Any], name: str) -> str:
        """Make a container; returns its id."""
        client: Any = self.client
        with calls("create a container"):
            return str(client.create_container_from_config(config, name)["Id"])

    def start(self, container: str) -> None:
        """Start a container."""
        with calls("start a container"):
            self.client.start(container)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        with calls("rename a container"):
            self.client.rename(container, name)

    def attach(self, container: str) -> tuple[socket.socket, object]:
        """Open a container's streams, before it is started.

        Returns:
            The connection, and what must be kept as long as it is used.
        """
        with calls("attach to a container"):
            params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            stream: Any = self.client.attach_socket(container, params)
            connection: socket.socket = getattr(stream, "_sock", stream)
            connection.setblocking(False)
        return connection, stream

    def ran_out_of_memory(self, container: str, since: float) -> bool:
        """Whether something in a container was killed for lack of memory.

        Args:
            container: Its id; it may be gone.
            since: Before that happened, in seconds since the epoch.
        """
        filters = json.dumps({"container": [container], "event": ["oom"]})
        period: dict[str, str | int] = {"since": int(since), "until": f"{time.time():.9f}"}
        with calls("tell what happened"):
            answer = self.client.get(
                f"{self.client.base_url}/v{self.client.api_version}/events",
                params={**period, "filters": filters},
                timeout=_CONNECT_SECONDS,
            )
            answer.raise_for_status()
        return bool(answer.text.strip())

    def wait_until_removed(self, container: str, seconds: int) -> bool:
        """Wait for the engine to remove a container; whether it has."""
        import requests

        try:
            with calls("wait for a container"):
                self.client.wait(container, timeout=seconds, condition="removed")
        except Gone:
            return True
        except SandboxUnavailable as error:
            if isinstance(
                error.__cause__, (requests.exceptions.Timeout, requests.exceptions.ConnectionError)
            ):
                return False
            raise
        return True

    def close(self) -> None:
        """Close idle connections; the engine can be used again."""
        self.client.close()


@contextmanager
def calls(what: str) -> Iterator[None]:
    """Tell the engine's failures in the lab's words.

    Args:
        what: Which call, to follow "the engine cannot".

    Raises:
        Gone: There is no such container.
        SandboxUnavailable: Whatever else; its cause is the client's error.
    """
    import docker.errors
    import requests

    try:
        yield
    except docker.errors.NotFound as error:
        if "container" in str(error.explanation).lower() and not isinstance(
            error, docker.errors.ImageNotFound
        ):
            raise Gone(str(error.explanation)) from error
        raise SandboxUnavailable(f"docker: the engine cannot {what}: {error.explanation}") from error
    except docker.errors.APIError as error:
        raise SandboxUnavailable(
            f"docker: the engine cannot {what}: {error.explanation}", _remedy_for(str(error.explanation))
        ) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise SandboxUnavailable(
            f"docker: the engine cannot {what}: {_innermost(error)}", _remedy(error)
        ) from error


def _connect() -> APIClient:
    try:
        import docker
    except ImportError as error:
        raise SandboxUnavailable(
            f"docker: its Python package cannot be imported: {error}", "Install it: pip install docker"
        ) from None
    host = os.environ.get("DOCKER_HOST") or _SOCKET
    if not host.startswith(("unix:", "http+unix:")):
        raise SandboxUnavailable(
            f"docker: the engine at {host} may be on another machine, and a job's files are on this one",
            "Set DOCKER_HOST to the unix socket of an engine on this machine, or unset it.",
        )
    client = docker.APIClient(
        base_url=host, version="auto", timeout=_CONNECT_SECONDS, max_pool_size=_CONNECTIONS
    )
    client.timeout = _CALL_SECONDS
    return client


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        found = pending.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            pending += [*found.args, getattr(found, "reason", None), found.__cause__, found.__context__]


def _innermost(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error)


def _remedy(error: BaseException) -> str:
    place = os.environ.get("DOCKER_HOST") or _SOCKET
    if any(isinstance(cause, PermissionError) for cause in _causes(error)):
        return (
            f"This user may not use {place}: sudo usermod -aG docker $USER, then log in again (it gives the "
            "user root's power), or run the engine rootless and set DOCKER_HOST."
        )
    if any(isinstance(cause, (FileNotFoundError, ConnectionRefusedError)) for cause in _causes(error)):
        return f"No engine listens at {place}. {_INSTALL}"
    return f"Look at the engine's log (journalctl -u docker); it listens at {place}."


def _remedy_for(explanation: str) -> str:
    if "bind source path does not exist" in explanation:
        return "The engine sees other files than the lab: run both on one machine, outside of containers."
    return ""
