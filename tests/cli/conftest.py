"""The `lab` program as a user starts it: a process of its own, with one state folder for all tests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.local_api import LocalApi

LAB = str(Path(sys.executable).with_name("lab"))
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder whose API stays up between tests, as it does between a user's commands."""
    home = tmp_path_factory.mktemp("lab-home")
    api = LocalApi(home / "prefect")
    api.start()
    api.wait()
    yield home
    api.stop()
    api.close()


@pytest.fixture
def environment(shared_home: Path, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))}
    return {**kept, "PREFECT_LAB_HOME": str(shared_home), "HOME": str(tmp_path)}


@pytest.fixture
def cli(environment: dict[str, str]) -> Cli:
    def call(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [LAB, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return call


def document(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
