"""Trials of labs that are written down in a test: a candidate's files, a scorer's files, and lab.toml."""

import asyncio
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab_plugin.config import parse
from lab_plugin.redaction import Redactor
from lab_plugin.sandbox import Execution, Sandbox, open_sandbox
from lab_plugin.scorer import Score, Trial, TrialRunner

HEAD = """
[lab]
name = "trial"
[strategy]
name = "command"
command = ["true"]
[candidate]
paths = ["model.py"]
memory = "512MiB"
timeout = "{short}"
{candidate}
[scorer]
files = ["scorer/**"]
goal = "maximize"
memory = "512MiB"
timeout = "{short}"
{scorer}
"""


@dataclass
class Bench:
    """One lab's two programs.

    Attributes:
        short: The time limit of each program.
        marker: In the command line of whatever a candidate leaves behind.
    """

    folder: Path
    sandbox: Sandbox
    candidate: str = 'serve = "model"'
    scorer: str = 'contract = "served"\ncommand = ["python", "scorer/score.py"]\nmetric = "value"'
    marker: str = field(default_factory=lambda: f"marker{uuid.uuid4().hex}")
    short: str = "20s"
    execution: Execution | None = None
    count: int = 0

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            root = self.folder / ("snapshot" if name.startswith("scorer/") else "workspace")
            path = root / name
            for parent in (root, path.parent):
                parent.mkdir(parents=True, exist_ok=True)
                parent.chmod(0o755)
            path.write_text(text.replace("MARKER", self.marker))

    def runner(self, tests: tuple[str, ...] = ()) -> TrialRunner:
        for name in ("snapshot", "workspace"):
            (self.folder / name).mkdir(exist_ok=True)
        text = HEAD.format(candidate=self.candidate, scorer=self.scorer, short=self.short)
        config = parse(text, str(self.folder / "lab.toml"))
        return TrialRunner(
            config, self.sandbox, self.folder / "snapshot", ".", Redactor(os.environ, ()), tests
        )

    @property
    def trial(self) -> Path:
        return self.folder / f"trial{self.count}"

    async def score(self, tests: tuple[str, ...] = (), **files: str) -> Score:
        """Run one trial, `model` and `score` being the two programs."""
        names = {"model": "model.py", "score": "scorer/score.py", "probe": "scorer/probe.py"}
        self.write({names[name]: text for name, text in files.items()})
        self.count += 1
        self.trial.mkdir(mode=0o755)
        runner = self.runner(tests)
        trial = Trial(
            name=f"trial-{self.count}", idea="0001", workspace=self.folder / "workspace", folder=self.trial
        )
        self.execution = await runner.execute(trial)
        score = await runner.evaluate(trial, self.execution)
        assert self.alive() == []
        return score

    async def collect(self) -> tuple[str, ...]:
        self.count += 1
        self.trial.mkdir(mode=0o755)
        return await self.runner().collect(self.trial)

    def log(self, name: str) -> str:
        return (self.trial / f"{name}.log").read_text()

    def alive(self) -> list[str]:
        """Command lines of processes, anywhere on this machine, that carry the marker."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if self.marker in text:
                found.append(text)
        return found


@pytest.fixture(scope="session", params=["bubblewrap", "process"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    opened = open_sandbox(request.param)
    yield opened
    asyncio.run(opened.close())


@pytest.fixture(scope="session")
def bubblewrap() -> Iterator[Sandbox]:
    opened = open_sandbox("bubblewrap")
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench(tmp_path, sandbox)


@pytest.fixture
def hostile(tmp_path: Path, bubblewrap: Sandbox) -> Bench:
    """A lab in the sandbox that is made for hostile programs."""
    return Bench(tmp_path, bubblewrap)
