"""What an idea scored, against what it scores now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lab_plugin.config import USAGE_PREFIX
from lab_plugin.epoch import Epoch
from lab_plugin.ledger import Holdout, LockRecord, VerdictRecord
from lab_plugin.scorer import Score
from lab_plugin.verification._differences import differing
from lab_plugin.verification._sealed import SealedRerun
from lab_plugin.verification._tiers import Outcome, TierRerun

_SHOWN = 20
_BY_WEIGHT: tuple[Outcome, ...] = ("equal", "measured", "environment", "different")


@dataclass(frozen=True)
class Rerun:
    """A commit scored again.

    Attributes:
        number: The idea; 0 for the baseline.
        recorded: Its metric on the epoch's seed by the ledger; None when it has none.
        found: The same now; None when it has none.
        equal: The two agree to the last bit.
        explanation: What was compared and what came of it; more than one line where there is more to tell.
        outcome: `equal`; `measured`: the host measures the metric anew each time, so both values are shown
            and not compared, and all else agrees; `environment`: something differs, and so does this machine
            from the epoch's; `different`: something differs, though all that was locked is the same here.
        changes: What this machine has otherwise than the epoch, one line each.
        metrics: Further metrics that differ, those that the host measures left out: name -> recorded, found.
        holdout: What came of the hold-out; None where the ledger has none of the idea.
        tiers: What came of it at the tiers before the last, of which the ledger has results.
    """

    number: int
    recorded: float | None
    found: float | None
    equal: bool
    explanation: str
    outcome: Outcome = "equal"
    changes: tuple[str, ...] = ()
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    holdout: SealedRerun | None = None
    tiers: tuple[TierRerun, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the record."""
        return self.outcome in ("equal", "measured")


@dataclass(frozen=True)
class Subject:
    """What is scored again, and what the ledger says of it.

    Attributes:
        number: The idea; 0 for the baseline.
        tree: Its tree.
        value: Its metric on the epoch's seed; None when it has none.
        metrics: All its metrics on that seed.
        lock: Of its epoch.
        sandbox: What ran it; "" where that is not known.
        verdict: In words.
        holdout: What the ledger has of its hold-out.
        mean: Its value, where that is a mean over further seeds.
        record: Its verdict; None for the commit that the lock scored.
    """

    number: int
    tree: str
    value: float | None
    metrics: Mapping[str, float]
    lock: LockRecord
    sandbox: str
    verdict: str
    holdout: Holdout | None = None
    mean: float | None = None
    record: VerdictRecord | None = None


def compare_stopped(
    record: VerdictRecord, epoch: Epoch, changes: tuple[str, ...], tiers: tuple[TierRerun, ...]
) -> Rerun:
    """The answer for an idea without a score at the tier which decides: all there is are its tiers.

    Args:
        record: What the ledger says.
        epoch: Under which.
        changes: What this machine has otherwise than the epoch, one line each.
        tiers: What came of it at its tiers.
    """
    outcome, why = _worst("equal", tiers), record.reason.partition("\n")[0]
    lines = [
        f"no value at the tier {epoch.config.tier} in epoch {epoch.lock.epoch}: {record.verdict}, {why}",
        *(tier.explanation for tier in tiers),
        *_surroundings(changes, outcome in ("equal", "measured")),
    ]
    equal = all(tier.outcome == "equal" for tier in tiers)
    return Rerun(record.number, None, None, equal, "\n".join(lines), outcome, changes, tiers=tiers)


def compare(
    subject: Subject,
    score: Score,
    epoch: Epoch,
    changes: tuple[str, ...],
    sealed: SealedRerun | None = None,
    tiers: tuple[TierRerun, ...] = (),
) -> Rerun:
    """Compare a score with the record of it.

    Args:
        subject: What the ledger says.
        score: What it scores now.
        epoch: Under which.
        changes: What this machine has otherwise than the epoch, one line each.
        sealed: What came of the hold-out.
        tiers: What came of it at the tiers before the last.
    """
    metrics = differing(subject.metrics, score.metrics)
    measured = _is_measured(subject, score, epoch)
    # Where the metric itself cannot be compared, the others are all that speaks for the record.
    same = not metrics if measured else score.value == subject.value
    same = same and (sealed is None or sealed.ok)
    outcome: Outcome = "environment" if changes else "different"
    if same:
        outcome = "measured" if measured else "equal"
    outcome = _worst(outcome, tiers)
    lines = [_headline(subject, score, epoch, measured), *_further(metrics, score, measured)]
    if subject.mean is not None:
        lines.append(f"its value {_shown(subject.mean)} is a mean over seeds, of which this is the first")
    lines += [sealed.explanation] if sealed is not None else []
    lines += [tier.explanation for tier in tiers]
    lines += _surroundings(changes, outcome in ("equal", "measured"))
    return Rerun(
        subject.number,
        subject.value,
        score.value,
        score.value == subject.value,
        "\n".join(lines),
        outcome,
        changes,
        metrics,
        sealed,
        tiers,
    )


def _worst(outcome: Outcome, tiers: tuple[TierRerun, ...]) -> Outcome:
    return max((outcome, *(tier.outcome for tier in tiers)), key=_BY_WEIGHT.index)


def _is_measured(subject: Subject, score: Score, epoch: Epoch) -> bool:
    """Whether both have a value, and the host measured it."""
    usage = epoch.config.scorer.metric.startswith(USAGE_PREFIX)
    return usage and score.value is not None and subject.value is not None


def _headline(subject: Subject, score: Score, epoch: Epoch, measured: bool) -> str:
    how = f"epoch {epoch.lock.epoch}, seed {epoch.config.decision.seed}, sandbox {score.sandbox}"
    if epoch.config.screening:
        how = f"tier {epoch.config.tier}, {how}"
    if subject.sandbox and subject.sandbox != score.sandbox:
        how += f" (then {subject.sandbox})"
    if subject.value is None and score.value is None:
        return f"it had no score ({subject.verdict}), and has none now ({how})"
    if measured:
        return (
            f"{epoch.config.scorer.metric} is measured anew each time and not compared: recorded "
            f"{_shown(subject.value)}, now {_shown(score.value)} ({how})"
        )
    if score.value == subject.value:
        return f"scored again from git ({how}): {_shown(score.value)}, as recorded, to the last bit"
    why = f" ({score.reason})" if score.reason else ""
    return f"recorded {_shown(subject.value)}, found {_shown(score.value)}{why} ({how})"


def _further(
    metrics: Mapping[str, tuple[float | None, float | None]], score: Score, measured: bool
) -> Iterator[str]:
    if metrics and score.value is not None:
        told = (f"{name} {_shown(old)} -> {_shown(new)}" for name, (old, new) in metrics.items())
        yield f"further metrics differ: {', '.join(told)}"
    elif measured:
        yield "all that the host does not measure agrees, to the last bit"


def _surroundings(changes: tuple[str, ...], same: bool) -> Iterator[str]:
    """What could explain a difference."""
    if changes:
        yield "this machine is not as the epoch was locked:"
        yield from (f"  {line}" for line in changes[:_SHOWN])
        if len(changes) > _SHOWN:
            yield f"  and {len(changes) - _SHOWN} more"
    elif not same:
        yield "all that was locked is the same here: candidate or scorer are not deterministic under"
        yield "one seed, or the record is not what was scored"


def _shown(value: float | None) -> str:
    return "no score" if value is None else repr(value)
