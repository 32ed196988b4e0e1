"""A virtual environment of a test's own, so that it may be changed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_plugin.scorer import EnvironmentMeter


@pytest.fixture(scope="module")
def made_venv(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An environment with one module, and the folder where it is remembered."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (packages / "helper.py").write_text("ANSWER = 41\n")
    (packages / "helper-1.0.dist-info").mkdir()
    (packages / "helper-1.0.dist-info" / "METADATA").write_text("Name: helper\nVersion: 1.0\n")
    memory = folder / "environments"
    EnvironmentMeter(folder / "venv" / "bin" / "python", memory).measure()
    return folder / "venv", memory


@pytest.fixture
def venv(made_venv: tuple[Path, Path]) -> Iterator[tuple[Path, Path, Path]]:
    """Its interpreter, its packages, and the folder where it is remembered; as it was before each test."""
    root, memory = made_venv
    packages = next((root / "lib").glob("python*")) / "site-packages"
    before = {path: path.read_bytes() for path in memory.iterdir()}
    yield root / "bin" / "python", packages, memory
    for path in packages.rglob("*"):
        if path.is_file() and path.parent == packages and path.name != "helper.py":
            path.unlink()
    for path in (packages / "__pycache__").glob("*"):
        path.unlink()
    (packages / "helper.py").write_text("ANSWER = 41\n")
    for path, data in before.items():
        path.write_bytes(data)
