"""What comes back of a trial: its score, and what its programs said. Taken in as if it were hostile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationError,
    model_validator,
)

from lab_plugin.errors import FleetError, RepositoryError
from lab_plugin.remote._order import TrialOrder
from lab_plugin.repository import Blob, Repository
from lab_plugin.sandbox import ACCESS_LOG, Execution
from lab_plugin.scorer import CANDIDATE, SCORECARD, Sample, Score

_RESULT = "result.json"
_MAX_RESULT = 48 << 20
Redact = Callable[[bytes], bytes]

_LOG = (1 << 20) + 1_024
_LOGS = {
    f"{CANDIDATE}/stdout.log": _LOG,
    f"{CANDIDATE}/stderr.log": _LOG,
    f"{CANDIDATE}/{ACCESS_LOG}": 4 << 20,
    "scorer/stdout.log": _LOG,
    "scorer/stderr.log": _LOG,
    f"scorer/outputs/{SCORECARD}": 16 << 20,
}
"""File of a trial's folder -> bytes of it at most."""

_Name = Annotated[str, StringConstraints(min_length=1, max_length=250)]
_Word = Annotated[str, StringConstraints(max_length=60)]
_Seconds = Annotated[FiniteFloat, Field(ge=0)]
_Sample = tuple[_Name, FiniteFloat, Annotated[str, StringConstraints(max_length=1_000)]]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Score(_Strict):
    status: Literal["scored", "crashed", "rejected"]
    reason: Annotated[str, StringConstraints(max_length=20_000)]
    value: FiniteFloat | None
    metrics: Annotated[dict[_Name, FiniteFloat], Field(max_length=1_100)]
    samples: Annotated[list[_Sample], Field(max_length=100_000, strict=False)]
    feedback: Annotated[str, StringConstraints(max_length=64 << 10)]
    seconds: _Seconds
    sandbox: _Word
    guarantees: Annotated[list[_Word], Field(max_length=100)]

    @model_validator(mode="after")
    def _only_what_is_scored_has_a_value(self) -> Self:
        if (self.value is None) == (self.status == "scored"):
            raise ValueError("a value without a score, or a score without a value")
        if self.value is None and (self.metrics or self.samples or self.feedback):
            raise ValueError("what has no score has no metrics")
        if len({sample[0] for sample in self.samples}) != len(self.samples):
            raise ValueError("two samples have the same id")
        return self


class _Ran(_Strict):
    status: Literal["ok", "failed", "timeout", "memory", "output"]
    reason: Annotated[str, StringConstraints(max_length=20_000)]
    exit_code: int | None
    signal: int | None
    wall_seconds: _Seconds
    cpu_seconds: _Seconds | None
    peak_bytes: Annotated[int, Field(ge=0)] | None
    warm: bool


class _Document(_Strict):
    order: str
    worker: Annotated[str, StringConstraints(max_length=250)]
    score: _Score
    ran: _Ran


@dataclass(frozen=True)
class Result:
    """A finished trial.

    Attributes:
        order: Id of the order.
        worker: Name of the worker that ran it.
        score: What came of it.
        execution: The candidate's run; its logs lie where `unpack` put them.
        files: File of the trial's folder -> content: logs and the scorecard.
    """

    order: str
    worker: str
    score: Score
    execution: Execution
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def store(self, repository: Repository) -> str:
        """Write it into git's object store; the tree's id."""
        document = _Document(
            order=self.order,
            worker=self.worker[:250],
            score=_told_score(self.score),
            ran=_told_run(self.execution),
        )
        files = {_RESULT: document.model_dump_json().encode(), **self.files}
        return repository.write_tree({name: Blob(data=data) for name, data in files.items()})

    @classmethod
    def load(cls, repository: Repository, tree: str, order: TrialOrder, metric: str) -> Result:
        """Read one back.

        Args:
            repository: Where it is.
            tree: From `store`.
            order: It must be the result of this one.
            metric: Whose value the score's is.

        Raises:
            FleetError: It is none, or of another order.
        """
        try:
            data = repository.read_file(tree, _RESULT, _MAX_RESULT)
            document = _Document.model_validate_json(data)
            if document.order != order.id:
                raise ValueError("it is the result of another order")
            score = document.score
            if score.value is not None and not order.sealed and score.metrics.get(metric) != score.value:
                raise ValueError(f"its value is not that of its metric {metric!r}")
            entries = repository.entries(tree)
            files = {
                name: repository.read_blob(entries[name].oid, limit)
                for name, limit in _LOGS.items()
                if name in entries
            }
        except (ValidationError, ValueError, RepositoryError) as error:
            told = " ".join(str(error).split())[:500]
            raise FleetError(f"The result of the trial {order.name} cannot be taken in: {told}.") from error
        return cls(document.order, document.worker, _score(score), _execution(document), files)

    def unpack(self, folder: Path) -> Returned:
        """Write the files into a trial's folder, and return the run with its score.

        Args:
            folder: Existing.
        """
        for name, data in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        logs = {stream: folder / CANDIDATE / f"{stream}.log" for stream in ("stdout", "stderr")}
        told = {**vars(self.execution), **logs}
        return Returned(**told, score=self.score, worker=self.worker)


@dataclass(frozen=True, kw_only=True)
class Returned(Execution):
    """A candidate's run on a worker, which has scored it too.

    Attributes:
        score: What came of the trial.
        worker: Name of the worker.
    """

    score: Score
    worker: str


def sealed(score: Score) -> Score:
    """All that a sealed scoring may tell: its value, or why there is none."""
    return Score(
        status=score.status,
        reason=score.reason,
        value=score.value,
        seconds=score.seconds,
        sandbox=score.sandbox,
        guarantees=score.guarantees,
    )


def gather(folder: Path, redact_data: Redact) -> dict[str, bytes]:
    """What a trial's programs left in its folder, capped and without secrets."""
    found: dict[str, bytes] = {}
    for name, limit in _LOGS.items():
        path = folder / name
        if not path.is_symlink() and path.is_file() and path.stat().st_size:
            with path.open("rb") as stream:
                found[name] = redact_data(stream.read(limit))[:limit]
    return found


def _told_score(score: Score) -> _Score:
    return _Score(
        status=score.status if score.status != "pruned" else "rejected",
        reason=score.reason[:20_000],
        value=score.value,
        metrics=dict(score.metrics),
        samples=[(sample.id, sample.score, sample.note) for sample in score.samples],
        feedback=score.feedback,
        seconds=score.seconds,
        sandbox=score.sandbox,
        guarantees=list(score.guarantees),
    )


def _score(told: _Score) -> Score:
    return Score(
        status=told.status,
        reason=told.reason,
        value=told.value,
        metrics=told.metrics,
        samples=tuple(Sample(*sample) for sample in told.samples),
        feedback=told.feedback,
        seconds=told.seconds,
        sandbox=told.sandbox,
        guarantees=tuple(told.guarantees),
    )


def _told_run(execution: Execution) -> _Ran:
    return _Ran(
        status=execution.status,
        reason=execution.reason[:20_000],
        exit_code=execution.exit_code,
        signal=execution.signal,
        wall_seconds=execution.wall_seconds,
        cpu_seconds=execution.cpu_seconds,
        peak_bytes=execution.peak_bytes,
        warm=execution.warm,
    )


def _execution(told: _Document) -> Execution:
    nowhere = Path("nowhere")
    return Execution(
        **told.ran.model_dump(),
        stdout=nowhere,
        stderr=nowhere,
        outputs={},
        refused={},
        sandbox=told.score.sandbox,
        guarantees=tuple(told.score.guarantees),
    )
