from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab_plugin.fleet import Deployed, DeploymentWishes, deploy
from lab_plugin.lab import Lab
from lab_plugin.local_api import LocalApi, client_settings, loaded
from tests.conftest import git

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

MakeLab = Callable[..., Path]


@dataclass(frozen=True)
class Server:
    """A Prefect API with all of its services and pages, as `lab up` and production have."""

    url: str
    ui: str
    home: Path

    @property
    def settings(self) -> dict[str, str]:
        return client_settings(self.url, self.home)


def end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("prefect")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))}
    # Quick where a user would wait: a trigger is looked at, and a schedule filled, within a second.
    quick = {
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
        "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "2",
    }
    with open(home / "server.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab_plugin.local_api", "--home", str(home), "--port", "0"],
            env={**kept, **quick},
            stdout=log,
            stderr=log,
        )
    try:
        while not (url := LocalApi(home).running()):
            assert process.poll() is None, (home / "server.log").read_text()
            time.sleep(0.2)
        yield Server(url, url.removesuffix("/api"), home)
    finally:
        end(process)


@pytest.fixture
def prefect_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """This process, and the programs that it starts with these variables, talk with the server."""
    for name, value in server.settings.items():
        monkeypatch.setenv(name, value)
    loaded()
    yield {**os.environ, "PREFECT_LAB_HOME": str(server.home / "lab")}
    monkeypatch.undo()
    loaded()


@pytest.fixture
async def client(prefect_environment: dict[str, str]) -> AsyncIterator[PrefectClient]:
    from prefect.client.orchestration import get_client

    async with get_client() as opened:
        yield opened


@pytest.fixture
def make_shared(make_lab: MakeLab, home: Path, tmp_path: Path) -> Callable[..., Path]:
    """A lab in a folder of its repository, committed, locked by name, and pushed to a bare repository."""

    def make(name: str, more: str = "") -> Path:
        folder = make_lab(replace={'name = "rosenbrock"': f'name = "{name}"\nremote = "origin"'}, name=name)
        with (folder / "lab.toml").open("a") as file:
            file.write(more)
        (folder / "lab.lock").write_text("{}\n")
        (folder / "labs").mkdir()
        git(folder, "mv", *(path.name for path in folder.glob("[!.l]*")), "labs")
        git(folder, "add", "-A")
        for file_name in ("lab.toml", "lab.lock"):
            git(folder, "mv", file_name, "labs")
        git(folder, "commit", "-q", "-m", "Lock")
        git(tmp_path, "init", "-q", "--bare", f"{name}.git")
        git(folder, "remote", "add", "origin", str(tmp_path / f"{name}.git"))
        git(folder, "push", "-q", "-u", "origin", "main")
        return folder / "labs"

    return make


async def deployed(client: PrefectClient, folder: Path, **wishes: str) -> Deployed:
    lab = Lab.open(folder)
    try:
        return await deploy(client, lab, DeploymentWishes(**wishes))
    finally:
        lab.close()
