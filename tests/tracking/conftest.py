"""A ledger to mirror and a real SQLite store, made once and copied for each test."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.ledger import CampaignRecord, LockRecord, VerdictRecord
from lab_plugin.tracking import Mirror, Store

_PATIENCE = 60.0


@dataclass(frozen=True)
class Line:
    commit: str
    record: LockRecord | CampaignRecord | VerdictRecord


class FakeLedger:
    def __init__(self) -> None:
        self.lines: list[Line] = []

    def records(self) -> tuple[Line, ...]:
        return tuple(self.lines)

    def add(self, record: LockRecord | CampaignRecord | VerdictRecord) -> str:
        self.lines.append(Line(f"{len(self.lines) + 1:040x}", record))
        return self.lines[-1].commit

    def lock(self, **changes: Any) -> str:
        values = {
            "at": "2026-01-31T04:05:06Z", "lab": "digits", "epoch": 1, "reason": "first", "digest": "ab" * 32,
            "metric": "accuracy", "goal": "maximize", "commit": "c" * 40, "tree": "d" * 40, "value": 0.9,
        }  # fmt: skip
        return self.add(LockRecord(**{**values, **changes}))

    def campaign(self, event: str = "opened", **changes: Any) -> str:
        values = {"at": "2026-01-31T04:06:00Z", "campaign": 1, "event": event, "strategy": "tpe"}
        return self.add(CampaignRecord(**{**values, **changes}))

    def verdict(self, number: int, **changes: Any) -> str:
        values = {
            "at": f"2026-01-31T05:00:{number:02d}Z", "number": number, "slug": "wider-mlp",
            "branch": f"lab/digits/ideas/{number:04d}-wider-mlp", "campaign": 1, "epoch": 1,
            "strategy": "tpe", "hypothesis": "A wider layer helps.", "commit": f"{number + 4096:040x}",
            "tree": "e" * 40, "parents": ("c" * 40,), "verdict": "reverted", "reason": "not better",
            "value": 0.8, "metrics": {"accuracy": 0.8, "f1": 0.7}, "champion_value": 0.9, "difference": -0.1,
            "params": {"hidden": 64, "solver": "adam"}, "digest": "ab" * 32, "seconds": 2.5,
            "orchestration_seconds": 0.5,
        }  # fmt: skip
        return self.add(VerdictRecord(**{**values, **changes}))


@pytest.fixture
def ledger() -> FakeLedger:
    made = FakeLedger()
    made.lock()
    made.campaign()
    return made


@pytest.fixture(scope="session")
def raced_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A store that four processes made at once, and their exit statuses."""
    folder = tmp_path_factory.mktemp("mlflow") / "store"
    program = (
        "import sys; from pathlib import Path; from lab_plugin.tracking import Store\n"
        "sys.stdin.read(1); Store.embedded(Path(sys.argv[1])).check()"
    )
    command = [sys.executable, "-c", program, str(folder)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go")
        process.stdin.close()
    return folder, [process.wait(300) for process in processes]


@pytest.fixture
def store(raced_store: tuple[Path, list[int]], tmp_path: Path) -> Store:
    shutil.copytree(raced_store[0], tmp_path / "mlflow")
    return Store.embedded(tmp_path / "mlflow")


Make = Callable[..., Mirror]


@pytest.fixture
def mirrors(store: Store, ledger: FakeLedger) -> Iterator[Make]:
    made: list[Mirror] = []

    def make(**changes: Any) -> Mirror:
        values = {"store": store, "lab": "digits", "identity": "deadbeef", "ledger": ledger, **changes}
        made.append(Mirror(**values))
        return made[-1]

    yield make
    for mirror in made:
        mirror.close(_PATIENCE)


@pytest.fixture
def mirror(mirrors: Make) -> Mirror:
    return mirrors()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.05)

    return wait


class Seen:
    """What a user finds in MLflow."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.store.uri)

    def experiment(self, identity: str = "deadbeef") -> Any:
        return self.client.search_experiments(filter_string=f"tags.`lab.id` = '{identity}'")[0]

    def runs(self, query: str = "", identity: str = "deadbeef") -> list[Any]:
        where = [self.experiment(identity).experiment_id]
        return list(self.client.search_runs(where, query, order_by=["attributes.start_time ASC"]))

    def one(self, query: str) -> Any:
        found = self.runs(query)
        assert len(found) == 1
        return found[0]

    def idea(self, number: int) -> Any:
        return self.one(f"tags.`lab.kind` = 'idea' AND tags.`lab.idea` = '{number}'")

    def numbers(self) -> list[int]:
        return sorted(int(run.data.tags["lab.idea"]) for run in self.runs("tags.`lab.kind` = 'idea'"))

    def files(self, run: Any) -> dict[str, str]:
        artifacts = self.client.list_artifacts(run.info.run_id)
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        return {file.path: (folder / file.path).read_text() for file in artifacts}

    def curve(self, run: Any, name: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(run.info.run_id, name)
        return sorted((point.step, point.value) for point in history)


@pytest.fixture
def seen(store: Store) -> Seen:
    return Seen(store)
