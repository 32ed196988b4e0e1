import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.sandbox import DockerSandbox, Job, Limits, Sandbox, open_sandbox
from tests.sandbox import docker_engine

LIMITS = Limits(wall_seconds=60, memory_bytes=512 << 20, disk_bytes=64 << 20, processes=64)


@dataclass
class Bench:
    """A workspace, and jobs on it."""

    folder: Path
    count: int = 0
    marker: str = field(default_factory=lambda: f"marker{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        self.workspace.mkdir(mode=0o755)
        (self.workspace / "train.py").write_text("print('train')\n")

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def job(self, *command: str, limits: dict[str, Any] | None = None, **changes: Any) -> Job:
        self.count += 1
        destination = self.folder / f"destination{self.count}"
        destination.mkdir()
        job = Job(
            name=f"test-{self.count}",
            role="candidate",
            command=command,
            workspace=self.workspace,
            destination=destination,
            limits=replace(LIMITS, **(limits or {})),
            output_variables={"LAB_OUTPUTS": "."},
        )
        return replace(job, **changes)

    def python(self, code: str, **changes: Any) -> Job:
        return self.job("python", "-c", code, **changes)

    def alive(self) -> list[str]:
        """Command lines of processes, anywhere on this machine, that carry the marker."""
        return list(self._marked().values())

    def kill(self) -> None:
        """End what a sandbox that promises no end left alive."""
        for pid in self._marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _marked(self) -> dict[int, str]:
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if self.marker in text:
                found[int(path.parent.name)] = text
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """A Docker engine with the tests' image; without one, tests skip, or fail where it is demanded."""
    with ExitStack() as stack:
        try:
            host = stack.enter_context(docker_engine.engine())
        except docker_engine.NoEngine as missing:
            docker_engine.give_up(missing)
        docker_engine.make_image(host)
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.setenv("DOCKER_HOST", host)
        yield host


@pytest.fixture(scope="session")
def docker_sandbox(engine: str) -> Iterator[DockerSandbox]:
    opened = DockerSandbox(image=docker_engine.IMAGE)
    yield opened
    asyncio.run(opened.close())
    assert docker_engine.containers(engine) == docker_engine.waiting(engine, os.getpid()) == []


@pytest.fixture(scope="session", params=["bubblewrap", "process", "docker"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if request.param == "docker":
        yield request.getfixturevalue("docker_sandbox")
        return
    opened = open_sandbox(request.param)
    yield opened
    asyncio.run(opened.close())


@pytest.fixture(scope="session")
def bubblewrap() -> Iterator[Sandbox]:
    opened = open_sandbox("bubblewrap")
    yield opened
    asyncio.run(opened.close())


@pytest.fixture(scope="session", params=["bubblewrap", "process"])
def launched(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Each kind whose jobs the launcher runs."""
    opened = open_sandbox(request.param)
    yield opened
    asyncio.run(opened.close())


@pytest.fixture(scope="session", params=["bubblewrap", "docker"])
def contained(request: pytest.FixtureRequest) -> Sandbox:
    """Each kind that is made for hostile programs."""
    return request.getfixturevalue("docker_sandbox" if request.param == "docker" else "bubblewrap")
