"""MLflow's server on the store that the lab writes directly."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lab_plugin.mlflow_app import AUTH_VARIABLE, ORIGINS_VARIABLE
from lab_plugin.tracking import SETTINGS, Store
from lab_plugin.up._ports import HOST, choose_port
from lab_plugin.up._program import Launch, Program

_USUAL_PORT = 5000
# Without a proxy, whatever the environment says: it is this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Header fields of a client must not tell the guards who it is.
_UVICORN = "--no-proxy-headers --timeout-graceful-shutdown 5 --no-access-log --log-level warning"


class MlflowProgram(Program):
    """One MLflow server process for this user.

    New experiments keep their files where the lab's own do, and paths that MLflow serves by HTTP lead to the
    same folder: what was made through the server can be used directly, and the other way round.

    Args:
        store: An embedded store that exists.
        folder: Where the server's address is noted for others.
        port: The port that is asked for; None for the usual one.
        credential: `user:password` that it asks for; None for none.
        say: Told what the user should know.
    """

    name = "mlflow"

    def __init__(
        self, store: Store, folder: Path, port: int | None, credential: str | None, say: Callable[[str], None]
    ) -> None:
        self._store = store
        self._note = folder / "mlflow-address.json"
        self._port = port
        self._credential = credential
        self._say = say
        self._usual = _USUAL_PORT

    @property
    def url(self) -> str | None:
        """Where it was served last, by whatever `lab up`; None when nobody did."""
        return noted_address(self._note)

    def launch(self) -> Launch:
        """Serve; see `Program`."""
        # After a restart at the same address, so that open pages go on.
        self._usual = port = choose_port("--mlflow-port", self._port, self._usual, self._say)
        partial = self._note.with_suffix(".new")
        partial.write_text(json.dumps({"url": f"http://{HOST}:{port}"}), "ascii")
        os.replace(partial, self._note)
        return Launch(self._command(port), self._environment(port))

    async def is_ready(self) -> bool:
        """Whether the server answers."""
        return await asyncio.to_thread(answers, self.url)

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


def noted_address(note: Path) -> str | None:
    """The address that a server noted; None when there is no note."""
    try:
        found = json.loads(note.read_bytes())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found.startswith(f"http://{HOST}:") else None


def answers(url: str | None) -> bool:
    """Whether an MLflow server answers at an address."""
    if url is None:
        return False
    try:
        with _OPENER.open(f"{url}/health", timeout=2) as answer:
            return bool(answer.read(8) == b"OK")
    except (OSError, ValueError):
        return False


def _hosts(port: int) -> tuple[str, str]:
    return f"localhost:{port}", f"{HOST}:{port}"
