"""MLflow's server on the store that the lab writes directly."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from lab_plugin.mlflow_app import AUTH_VARIABLE, ORIGINS_VARIABLE
from lab_plugin.tracking import SETTINGS, Store, note_server, noted_server, served_at
from lab_plugin.up._ports import HOST, choose_port
from lab_plugin.up._program import Launch, Program

_USUAL_PORT = 5000
# Header fields of a client must not tell the guards who it is.
_UVICORN = "--no-proxy-headers --timeout-graceful-shutdown 5 --no-access-log --log-level warning"


class MlflowProgram(Program):
    """One MLflow server process for this user.

    New experiments keep their files where the lab's own do, and paths that MLflow serves by HTTP lead to the
    same folder: what was made through the server can be used directly, and the other way round.

    Args:
        store: An embedded store that exists.
        port: The port that is asked for; None for the usual one.
        credential: `user:password` that it asks for; None for none.
        say: Told what the user should know.
    """

    name = "mlflow"

    def __init__(
        self, store: Store, port: int | None, credential: str | None, say: Callable[[str], None]
    ) -> None:
        self._store = store
        self._port = port
        self._credential = credential
        self._say = say

    @property
    def url(self) -> str | None:
        """Where it is served, by whatever `lab up`; None when it is not."""
        return served_at(self._store)

    def launch(self) -> Launch:
        """Serve; see `Program`."""
        # At the address where it was, so that open pages go on.
        before = urlsplit(noted_server(self._store) or "").port or _USUAL_PORT
        port = choose_port("--mlflow-port", self._port, before, self._say)
        note_server(self._store, f"http://{HOST}:{port}")
        return Launch(self._command(port), self._environment(port))

    async def is_ready(self) -> bool:
        """Whether the server answers."""
        return await asyncio.to_thread(served_at, self._store) is not None

    def where(self) -> str:
        """The UI's address."""
        return f"ready: {self.url}"

    def _command(self, port: int) -> tuple[str, ...]:
        artifacts = self._store.artifacts
        return (
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "prefect-lab"),
            *("--backend-store-uri", self._store.uri),
            *("--default-artifact-root", artifacts, "--artifacts-destination", artifacts),
            *("--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", _UVICORN),
            *("--allowed-hosts", ",".join(_hosts(port))),
        )

    def _environment(self, port: int) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return {
            **kept,
            **SETTINGS,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            ORIGINS_VARIABLE: ",".join(f"http://{host}" for host in _hosts(port)),
            **({AUTH_VARIABLE: self._credential} if self._credential else {}),
        }


def _hosts(port: int) -> tuple[str, str]:
    return f"localhost:{port}", f"{HOST}:{port}"
