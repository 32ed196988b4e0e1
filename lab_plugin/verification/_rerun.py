"""An idea, scored again from git alone, with the scorer and the configuration of its epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lab_plugin.config import USAGE_PREFIX
from lab_plugin.epoch import Epoch, load_epoch
from lab_plugin.errors import LabError, LedgerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, VerdictRecord
from lab_plugin.lookup import find_idea
from lab_plugin.rescore import score_tree
from lab_plugin.scorer import Score, differences

_SHOWN = 20


@dataclass(frozen=True)
class Rerun:
    """A commit scored again.

    Attributes:
        number: The idea; 0 for the baseline.
        recorded: Its value in the ledger; None when it has none.
        found: Its value now; None when it has none.
        equal: The two agree to the last bit.
        explanation: What was compared and what came of it; more than one line where there is more to tell.
        outcome: `equal`; `measured`: the host measures the metric anew each time, so it is shown and not
            compared; `environment`: they differ, and so does this machine from the epoch's; `different`: they
            differ, though all that was locked is the same here.
        changes: What this machine has otherwise than the epoch, one line each.
        metrics: Further metrics that differ: name -> recorded, found.
    """

    number: int
    recorded: float | None
    found: float | None
    equal: bool
    explanation: str
    outcome: Literal["equal", "measured", "environment", "different"] = "equal"
    changes: tuple[str, ...] = ()
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the record."""
        return self.outcome in ("equal", "measured")


@dataclass(frozen=True)
class _Subject:
    """What is scored again, and what the ledger says of it."""

    number: int
    tree: str
    value: float | None
    metrics: Mapping[str, float]
    lock: LockRecord
    sandbox: str
    verdict: str


async def verify_idea(lab: Lab, text: str) -> Rerun:
    """Score an idea again; `best` is the champion as the current epoch scored it, be it the baseline.

    Raises:
        LabError: There is no such idea, or its epoch cannot be read.
        SandboxUnavailable: The sandbox broke.
    """
    subject = _subject(lab, text)
    if isinstance(subject, VerdictRecord):
        explanation = f"nothing of it was run, then or now: {subject.verdict}, {subject.reason}"
        return Rerun(subject.number, None, None, True, explanation)
    epoch = load_epoch(lab, subject.lock)
    image = epoch.lock.terms.environment.get("image")
    then = Lab(epoch.config, lab.repository, lab.home, image=str(image) if image else None)
    sandbox = then.sandbox()
    try:
        await sandbox.probe()
        runner = then.runner_of(sandbox, epoch.snapshot, epoch.lock.terms.files)
        runner = runner.with_tests(subject.lock.tests)
        score = (await score_tree(then, runner, subject.tree, subject.number)).score
    finally:
        await sandbox.close()
    return _compare(subject, score, epoch, _changes(then, epoch))


def _subject(lab: Lab, text: str) -> _Subject | VerdictRecord:
    """What to score; a verdict of which nothing ever ran is returned as it is."""
    state = lab.ledger.state()
    champion, lock = state.champion, state.lock
    if text == "best" and champion is not None and lock is not None and champion.commit == lock.commit:
        tree = lab.repository.tree_of(lock.commit)
        return _Subject(champion.number, tree, lock.value, lock.metrics, lock, "", "the champion at the lock")
    record = find_idea(lab, text)
    if record.value is None and not record.sandbox and record.duplicate_of is None:
        return record
    return _Subject(
        record.number,
        record.tree,
        record.value,
        record.metrics,
        _lock_record(lab, record.epoch),
        record.sandbox,
        record.verdict,
    )


def _lock_record(lab: Lab, epoch: int) -> LockRecord:
    for entry in lab.ledger.records():
        if isinstance(entry.record, LockRecord) and entry.record.epoch == epoch:
            return entry.record
    raise LedgerError(f"The ledger has no lock of epoch {epoch}.", "Run `lab verify`.")


def _changes(then: Lab, epoch: Epoch) -> tuple[str, ...]:
    """What a score depends on and git does not hold: public data and the environment."""
    locked = epoch.lock.terms
    try:
        found = then.terms("now")
    except LabError as error:
        return (f"what is here cannot be read: {error.message}",)
    now = {"data": found.data, "environment": found.environment}
    return differences(locked, locked.model_copy(update=now))


def _compare(subject: _Subject, score: Score, epoch: Epoch, changes: tuple[str, ...]) -> Rerun:
    equal = score.value == subject.value
    measured = epoch.config.scorer.metric.startswith(USAGE_PREFIX)
    metrics = _metrics(subject, score)
    lines = [_headline(subject, score, epoch, measured)]
    if equal and not measured and metrics:
        told = (f"{name} {_shown(old)} -> {_shown(new)}" for name, (old, new) in metrics.items())
        lines.append(f"further metrics differ: {', '.join(told)}")
    if changes:
        lines.append("this machine is not as the epoch was locked:")
        lines += [f"  {line}" for line in changes[:_SHOWN]]
        if len(changes) > _SHOWN:
            lines.append(f"  and {len(changes) - _SHOWN} more")
    elif not equal and not measured:
        lines.append("all that was locked is the same here: candidate or scorer are not deterministic under")
        lines.append("one seed, or the record is not what was scored")
    outcome: Literal["equal", "measured", "environment", "different"] = "different"
    if measured and score.value is not None and subject.value is not None:
        outcome = "measured"
    elif equal:
        outcome = "equal"
    elif changes:
        outcome = "environment"
    return Rerun(
        subject.number, subject.value, score.value, equal, "\n".join(lines), outcome, changes, metrics
    )


def _headline(subject: _Subject, score: Score, epoch: Epoch, measured: bool) -> str:
    how = f"epoch {epoch.lock.epoch}, seed {epoch.config.decision.seed}, sandbox {score.sandbox}"
    if subject.sandbox and subject.sandbox != score.sandbox:
        how += f" (then {subject.sandbox})"
    if subject.value is None and score.value is None:
        return f"it had no score ({subject.verdict}), and has none now ({how})"
    metric = epoch.config.scorer.metric
    if measured and score.value is not None:
        return (
            f"{metric} is measured anew each time and not compared: recorded {_shown(subject.value)}, "
            f"now {_shown(score.value)} ({how})"
        )
    if score.value == subject.value:
        return f"scored again from git ({how}): {_shown(score.value)}, as recorded, to the last bit"
    why = f" ({score.reason})" if score.reason else ""
    return f"recorded {_shown(subject.value)}, found {_shown(score.value)}{why} ({how})"


def _metrics(subject: _Subject, score: Score) -> dict[str, tuple[float | None, float | None]]:
    names = sorted(subject.metrics.keys() | score.metrics.keys())
    both = {name: (subject.metrics.get(name), score.metrics.get(name)) for name in names}
    return {
        name: (old, new)
        for name, (old, new) in both.items()
        if old != new and not name.startswith(USAGE_PREFIX)
    }


def _shown(value: float | None) -> str:
    return "no score" if value is None else repr(value)
