"""Real repositories, in a folder whose name hurts."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.repository import Repository

NASTY = 'it\'s a "repo"\nwith $pace'


def run_git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgSign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def make_repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    run_git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "first")
    return folder


FILES = {
    "train.py": "print(1)\n",
    "params.json": "{}\n",
    "src/model.py": "x = 1\n",
    "src/deep/er/layer.py": "y = 1\n",
    "scorer/score.py": "secret\n",
    "scorer/data/labels.csv": "1\n",
}


@pytest.fixture
def git() -> Callable[..., str]:
    return run_git


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_repository(tmp_path / NASTY, FILES)


@pytest.fixture
def repository(folder: Path) -> Iterator[Repository]:
    opened = Repository.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def tree(repository: Repository) -> str:
    return repository.tree_of(repository.head())


@pytest.fixture
def hidden() -> Callable[[str], bool]:
    return lambda path: path.startswith("scorer/")
