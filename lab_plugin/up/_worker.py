"""A Prefect worker for one work pool."""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable, Mapping

from lab_plugin.up._program import Launch, Program

# Half a second of waiting at most between a run's being due and its start; a poll costs the server 5 ms.
_POLL_SECONDS = "0.5"


class WorkerProgram(Program):
    """A worker of this machine.

    Args:
        pool: The work pool's name.
        kind: The worker's type, as Prefect names it.
        environment: Gives all of the worker's environment, at each start.
        is_online: Whether a worker of a name is known to a pool.
    """

    def __init__(
        self,
        pool: str,
        kind: str,
        environment: Callable[[], Mapping[str, str]],
        is_online: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self.pool = pool
        self.kind = kind
        self.name = f"worker-{pool}"
        self._environment = environment
        self._is_online = is_online

    @property
    def worker(self) -> str:
        """What the worker is called in the pool."""
        return f"lab-up-{socket.gethostname()}".replace("/", "-").replace("%", "-")

    def launch(self) -> Launch:
        """Work; see `Program`."""
        arguments = ("--pool", self.pool, "--type", self.kind, "--name", self.worker)
        # The pool was made beforehand; a worker that asks to install packages would wait for ever.
        never = ("--no-create-pool-if-not-found", "--install-policy", "never")
        command = (sys.executable, "-m", "prefect", "worker", "start", *arguments, *never)
        return Launch(command, {"PREFECT_WORKER_QUERY_SECONDS": _POLL_SECONDS, **self._environment()})

    async def is_ready(self) -> bool:
        """Whether the pool knows the worker."""
        return await self._is_online(self.pool, self.worker)

    def where(self) -> str:
        """Which pool it serves."""
        return f"ready: works on the pool {self.pool} ({self.kind})"
