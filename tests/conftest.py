"""What all tests share: a clean environment, a state folder, and labs in real git repositories."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lab_plugin.local_api import LocalApi
from lab_plugin.scorer import EnvironmentMeter
from lab_plugin.tracking import Store
from tests.program import LAB, Cli

EXAMPLES = Path(__file__).parent.parent / "examples"

# How long an example takes says nothing on a machine that may pause any process.
settings.register_profile("lab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lab")


def pytest_configure() -> None:
    """Ignored signals are inherited, and a shell ignores these in what it starts in the background."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "MLFLOW_", "GIT_", "LAB_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store: making one takes seconds, copying it none."""
    folder = tmp_path_factory.mktemp("mlflow")
    Store.embedded(folder).ensure()
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is known of this interpreter's environment: hashing it takes seconds, a copy of that none.

    Kept between sessions: it proves itself by the stat of every file. What was read long ago is read whole,
    as each lock in each test would do otherwise. The tests of this process have a copy of their own: in the
    folder itself, another process of the tests may be writing.
    """
    base = tmp_path_factory.getbasetemp().parent
    folder, own = base / "lab-environments", tmp_path_factory.mktemp("environments") / "known"
    with (base / "lab-environments.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        EnvironmentMeter(None, folder).measure(whole=True, trust=True)
        shutil.copytree(folder, own)
    return own


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_store: Path, environments: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "mlflow").mkdir(parents=True)
    shutil.copy(mlflow_store, folder / "mlflow")
    shutil.copytree(environments, folder / "environments")
    monkeypatch.setenv("PREFECT_LAB_HOME", str(folder))
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgSign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def make_lab(tmp_path: Path) -> Callable[..., Path]:
    """Copy an example into a repository of its own, apply replacements to its lab.toml, commit it."""

    def make(example: str = "rosenbrock", replace: dict[str, str] | None = None, name: str = "repo") -> Path:
        folder = tmp_path / name
        shutil.copytree(EXAMPLES / example, folder, dirs_exist_ok=True)
        text = (folder / "lab.toml").read_text()
        for old, new in (replace or {}).items():
            assert old in text, f"{old!r} is not in the example's lab.toml"
            text = text.replace(old, new)
        (folder / "lab.toml").write_text(text)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "Start")
        return folder

    return make


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Iterator[Path]:
    """A state folder whose API stays up between tests, as it does between a user's commands."""
    home = tmp_path_factory.mktemp("lab-home")
    shutil.copytree(environments, home / "environments")
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


@pytest.fixture
def make_clone(
    cli: Cli, make_lab: Callable[..., Path], tmp_path: Path
) -> Callable[[str, int], tuple[Path, Path, Path]]:
    """A shared lab whose first idea is kept: its folder, its git remote, and a fresh clone of that."""

    def make(name: str, iterations: int) -> tuple[Path, Path, Path]:
        folder = make_lab(replace={'name = "rosenbrock"': f'name = "{name}"\nremote = "origin"'})
        bare, clone = tmp_path / "bare", tmp_path / "clone"
        git(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
        git(folder, "remote", "add", "origin", str(bare))
        cli("lock", cwd=folder)
        cli("add", "--param", "x=1.0", "--param", "y=1.0", cwd=folder)
        cli("run", "-n", str(iterations), cwd=folder)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Lock")
        git(folder, "push", "-q", "origin", "HEAD:main")
        git(tmp_path, "clone", "-q", str(bare), str(clone))
        return folder, bare, clone

    return make
