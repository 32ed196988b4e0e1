"""A result is taken in as if somebody hostile had written it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.errors import FleetError
from lab_plugin.remote import Result, TrialOrder
from lab_plugin.repository import Blob, Repository
from lab_plugin.sandbox import Execution
from lab_plugin.scorer import Sample, Score

NOBODY = "0" * 40
ORDER = TrialOrder(
    version="1",
    remote="/srv/hub.git",
    lab="digits",
    kit=NOBODY,
    scorer=NOBODY,
    candidate=NOBODY,
    lock="f" * 64,
    tier="final",
    name="digits-0007-0",
    number=7,
    seed=0,
    params={"x": 1},
)
LOG = "candidate/stdout.log"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    found = Repository.bare(tmp_path / "bare.git")
    yield found
    found.close()


@pytest.fixture
def tree(repository: Repository, tmp_path: Path) -> str:
    ran = Execution(
        status="ok",
        reason="",
        exit_code=0,
        signal=None,
        wall_seconds=1.5,
        cpu_seconds=1.0,
        peak_bytes=1 << 20,
        stdout=tmp_path,
        stderr=tmp_path,
        outputs={},
        refused={},
        sandbox="bubblewrap",
        guarantees=("seccomp",),
    )
    score = Score(
        status="scored",
        value=0.5,
        metrics={"accuracy": 0.5, "loss": 1.0},
        samples=(Sample("a", 1.0, "why"), Sample("b", 0.0)),
        feedback="b is wrong",
        seconds=2.0,
        sandbox="bubblewrap",
        guarantees=("seccomp",),
    )
    return Result(ORDER.id, "box-1", score, ran, {LOG: b"hello\n"}).store(repository)


def test_what_is_stored_comes_back(repository: Repository, tree: str, tmp_path: Path) -> None:
    result = Result.load(repository, tree, ORDER, "accuracy")
    assert result.score.value == 0.5 and result.score.samples[0] == Sample("a", 1.0, "why")
    assert (result.worker, result.execution.wall_seconds) == ("box-1", 1.5)
    run = result.unpack(tmp_path)
    assert run.stdout.read_bytes() == b"hello\n" and run.score is result.score


def test_an_order_is_the_same_by_whatever_way_it_travels() -> None:
    assert ORDER.model_copy(update={"remote": "ssh://other/hub.git"}).id == ORDER.id
    for change in ({"seed": 1}, {"params": {"x": 2}}, {"sealed": True}, {"tier": "proxy"}):
        assert ORDER.model_copy(update=change).id != ORDER.id


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda document: document.update(order="1" * 40), "another order"),
        (lambda document: document["score"].update(value=0.75), "not that of its metric"),
        (lambda document: document["score"].update(value=None), "without"),
        (lambda document: document["score"].update(status="crashed"), "without"),
        (lambda document: document["score"].update(status="pruned"), "status"),
        (lambda document: document["score"].update(value=float("nan")), "finite"),
        (lambda document: document["score"]["metrics"].update(loss=float("inf")), "finite"),
        (lambda document: document["score"]["metrics"].update(loss="1"), "loss"),
        (lambda document: document["score"]["metrics"].update(loss=True), "loss"),
        (lambda document: document["score"].update(samples=[["a", 1.0, ""]] * 2), "same id"),
        (lambda document: document["score"].update(feedback="x" * 70_000), "feedback"),
        (lambda document: document["score"].update(seconds=-1.0), "seconds"),
        (lambda document: document["ran"].update(status="great"), "status"),
        (lambda document: document.update(more=1), "more"),
        (lambda document: document.clear(), "order"),
    ],
)
def test_a_result_that_is_none_is_refused(
    repository: Repository, tree: str, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    document = json.loads(repository.read_file(tree, "result.json"))
    change(document)
    changed = repository.edit_tree(tree, {"result.json": Blob(data=json.dumps(document).encode())})
    with pytest.raises(FleetError, match=told):
        Result.load(repository, changed, ORDER, "accuracy")


def test_files_that_no_trial_leaves_are_not_taken(repository: Repository, tree: str, tmp_path: Path) -> None:
    more = {"candidate/outputs/model.bin": Blob(data=b"x"), ".bashrc": Blob(data=b"x")}
    result = Result.load(repository, repository.edit_tree(tree, more), ORDER, "accuracy")
    assert set(result.files) == {LOG}
    large = repository.edit_tree(tree, {LOG: Blob(data=b"x" * (2 << 20))})
    with pytest.raises(FleetError, match="bytes"):
        Result.load(repository, large, ORDER, "accuracy")
    with pytest.raises(FleetError, match=r"result\.json"):
        Result.load(repository, repository.edit_tree(tree, {"result.json": None}), ORDER, "accuracy")
