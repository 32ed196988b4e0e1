"""A fleet to measure: an API, process workers, and a lab whose last tier runs on them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.program import LAB
from tests.remote.conftest import lay_out

_BIN = Path(sys.executable).parent
# A busy machine takes its time.
_OPTIONS: dict[str, Any] = {"trust_env": False, "timeout": 120.0}


class Stand:
    """An API, workers and a lab with a tier on them, in a folder.

    Args:
        folder: Empty; all is in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))
        }
        self.environment = {**kept, "PREFECT_LAB_HOME": str(folder / "home"), "PREFECT_LAB_LOST_AFTER": "20"}
        self.api: subprocess.Popen[bytes] | None = None
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "home").mkdir()
        lay_out(folder / "repo", pool=True)
        subprocess.run(
            [LAB, "lock"], cwd=folder / "repo", env=self.environment, check=True, capture_output=True
        )

    @property
    def url(self) -> str:
        port = json.loads((self.folder / "home" / "prefect" / "api.json").read_text())["port"]
        return f"http://127.0.0.1:{port}/api"

    def start_api(self) -> None:
        command = [
            sys.executable,
            "-m",
            "lab_plugin.local_api",
            "--home",
            str(self.folder / "home" / "prefect"),
        ]
        self.api = self._start("api", command, {})
        while True:
            with suppress(OSError, ValueError, httpx.HTTPError):
                if httpx.get(f"{self.url}/health", trust_env=False).is_success:
                    return
            time.sleep(0.2)

    def start_worker(self, name: str, *options: str) -> None:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        if not (home / "environments").exists():
            (home / "environments").symlink_to(self.folder / "home" / "environments")
        command = [str(_BIN / "prefect"), "worker", "start", "--pool", "box", "--type", "process"]
        settings = {
            "PREFECT_API_URL": self.url,
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_LAB_HOME": str(home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self.workers[name] = self._start(name, [*command, "--name", name, *options], settings)

    def campaign(self, iterations: int, jobs: int) -> subprocess.Popen[bytes]:
        command = [LAB, "run", "-n", str(iterations), "-j", str(jobs), "--json"]
        return self._start("campaign", command, {}, cwd=self.folder / "repo")

    def ask(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.url}/{path}/filter", json={"limit": 200, **filters}, **_OPTIONS)
        answer.raise_for_status()
        return list(answer.json())

    def read(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}/{path}", **_OPTIONS)
        answer.raise_for_status()
        return answer.json()

    def close(self) -> None:
        for process in (*self.workers.values(), self.api):
            if process is not None:
                kill(process)

    def _start(
        self, name: str, command: list[str], settings: Mapping[str, str], cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env={**self.environment, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all below it, as a power cut does."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(process.pid)
        for each in [top, *top.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


@contextmanager
def opened_stand(folder: Path) -> Iterator[Stand]:
    # So that all is ended when somebody ends this process.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    stand = Stand(folder)
    try:
        stand.start_api()
        yield stand
    finally:
        stand.close()


def import_seconds() -> tuple[float, float]:
    """Wall and processor seconds of an import of Prefect: the measure of all that starts here."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", "import prefect.flow_engine"])
    usage = os.wait4(process.pid, 0)[2]
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime
