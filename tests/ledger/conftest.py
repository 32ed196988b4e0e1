"""A lab's ledger in a real repository, and records for it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.ledger import CampaignRecord, Ledger, LockRecord, VerdictRecord
from lab_plugin.repository import Blob, RefChange, Repository

AT = "2026-01-31T04:05:06Z"
BEST = "refs/heads/lab/x/best"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    (path / "train.py").write_text("print(1)\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgSign=false"]
        subprocess.run(["git", *identity, *command], cwd=path, check=True)
    return path


class Desk:
    """Writes what a campaign would write."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository.open(folder)
        self.ledger = Ledger(self.repository, "x")
        self.base = self.repository.head()
        self.tree = self.repository.tree_of(self.base)

    def lock(self, epoch: int = 1, value: float = 0.5) -> None:
        champion = self.ledger.state().champion
        commit = champion.commit if champion else self.base
        record = LockRecord(
            at=AT,
            lab="x",
            epoch=epoch,
            reason="r",
            digest=f"d{epoch}",
            metric="m",
            goal="maximize",
            commit=commit,
            tree=self.tree,
            value=value,
            champion=champion.number if champion else 0,
        )
        changes = [RefChange(BEST, commit, commit if champion else "")]
        self.ledger.append(record, candidate=commit, tree=self.tree, changes=changes)

    def campaign(self, number: int = 1, event: str = "opened", **fields: object) -> None:
        record = CampaignRecord(at=AT, campaign=number, event=event, strategy="tpe", **fields)
        self.ledger.append(record, candidate=None)

    def candidate(self, number: int) -> str:
        tree = self.repository.edit_tree(self.tree, {"train.py": Blob(b"%d" % number)})
        idea = Idea(
            number=number,
            slug="an-idea",
            title="An idea",
            hypothesis="h",
            strategy="tpe",
            campaign=1,
            epoch=1,
            parent=self.base,
            points=(PlannedPoint(tree=tree),),
        )
        return self.repository.commit(tree, [self.base], idea.message("x"))

    def record(
        self, number: int, verdict: str = "reverted", value: float | None = 0.1, **fields: object
    ) -> VerdictRecord:
        state = self.ledger.state()
        commit = self.candidate(number)
        values: dict[str, object] = {
            "at": AT, "number": number, "slug": "an-idea",
            "branch": f"lab/x/ideas/{number:04d}-an-idea", "campaign": 1,
            "epoch": state.lock.epoch if state.lock else 1, "digest": state.lock.digest if state.lock else "",
            "strategy": "tpe", "title": "An idea", "hypothesis": "h",
            "commit": commit, "tree": self.repository.tree_of(commit),
            "parents": (self.base,), "verdict": verdict, "reason": "r", "value": value,
            "champion_value": state.champion.value if state.champion else None, **fields,
        }  # fmt: skip
        return VerdictRecord(**values)

    def changes(self, record: VerdictRecord) -> list[RefChange]:
        changes = [RefChange(f"refs/heads/{record.branch}", record.commit, "")]
        if record.verdict == "kept":
            champion = self.ledger.state().champion
            assert champion is not None
            changes.append(RefChange(BEST, record.commit, champion.commit))
        return changes

    def decide(
        self, number: int, verdict: str = "reverted", value: float | None = 0.1, **fields: object
    ) -> VerdictRecord:
        record = self.record(number, verdict, value, **fields)
        self.ledger.append(record, candidate=record.commit, changes=self.changes(record))
        return record


@pytest.fixture
def make_desk() -> Callable[[Path], Desk]:
    return Desk


@pytest.fixture
def desk(folder: Path) -> Desk:
    return Desk(folder)


@pytest.fixture
def running(desk: Desk) -> Desk:
    desk.lock()
    desk.campaign()
    return desk
