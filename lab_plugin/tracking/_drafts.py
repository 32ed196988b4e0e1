"""From a ledger record to what its MLflow run says; no MLflow in here."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from lab_plugin.comparison_report import has_chart
from lab_plugin.decision import Pairs
from lab_plugin.ledger._records import (
    ConfirmationRecord,
    ImportRecord,
    LockRecord,
    Point,
    Pruned,
    VerdictRecord,
)
from lab_plugin.pruning import Curve
from lab_plugin.report import idea_name
from lab_plugin.tracking._names import clean, metrics, params, tags
from lab_plugin.tracking._story import Story, Tally

_CURVE_POINTS = 400
KEY = "lab.record"
"""Run tag with the ledger commit that the run mirrors: how a run is found again."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """The scorer as an MLflow dataset."""

    digest: str
    tree: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One run, ready to be written. Times are milliseconds since 1970; `end` is 0 while it runs. `curve` is
    what the candidate reported of itself, step and value.
    """

    key: str
    name: str
    tags: dict[str, str]
    start: int
    end: int = 0
    status: str = "FINISHED"
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    scorer: Scorer | None = None
    children: tuple[Draft, ...] = ()


def milliseconds(at: str) -> int:
    """A record's time as MLflow counts it.

    Raises:
        ValueError: It is no time, or before 1970.
    """
    moment = int(datetime.fromisoformat(at).timestamp() * 1000)
    if moment < 0:
        raise ValueError(f"{at} is before 1970")
    return moment


def idea_draft(key: str, record: VerdictRecord, metric: str) -> Draft:
    """The run of an idea, with its points as children."""
    end = milliseconds(record.at)
    start = max(0, end - int(1000 * (record.seconds + record.orchestration_seconds)))
    own = (
        ("difference", record.difference),
        ("seconds", record.seconds),
        ("orchestration_seconds", record.orchestration_seconds),
        ("usd", record.usd or None),
        *_at_tiers(record.tiers),
        *_sealed(record),
        *_compared(record),
    )
    children = tuple(
        _point_draft(point_key(key, index), record, index, point, metric, start, end)
        for index, point in enumerate(record.points, start=1)
    )
    return Draft(
        key=key,
        name=idea_name(record),
        tags=_idea_tags(key, record),
        start=start,
        end=end,
        status=_status(record),
        params=params(record.params),
        metrics=metrics(((metric, record.value), *_further(record.metrics, metric), *own)),
        children=children,
    )


def with_curves(draft: Draft, curves: Mapping[int, Curve]) -> Draft:
    """The run of an idea with the curves of its points, by their index; so thin that one batch holds each."""
    if not draft.children:
        return _with_curve(draft, curves.get(0))
    children = [_with_curve(child, curves.get(index)) for index, child in enumerate(draft.children)]
    return replace(draft, children=tuple(children))


def _with_curve(draft: Draft, curve: Curve | None) -> Draft:
    return draft if curve is None else replace(draft, curve=curve.thin(_CURVE_POINTS).points)


def _pruned(found: Pruned | None) -> str | None:
    return None if found is None else f"{found.pruner} at step {found.step}"


def _idea_tags(key: str, record: VerdictRecord) -> dict[str, str]:
    return tags(
        {
            KEY: key,
            "lab.kind": "idea",
            "lab.idea": record.number,
            "lab.verdict": record.verdict,
            "lab.reason": record.reason,
            "lab.campaign": record.campaign,
            "lab.branch": record.branch,
            "lab.parents": ",".join(record.parents),
            "lab.strategy": record.strategy,
            "lab.tier": record.tier,
            "lab.epoch": record.epoch,
            "lab.scorer_digest": record.digest,
            "lab.commit": record.commit,
            "lab.flow_run": record.flow_run,
            "lab.sandbox": record.sandbox,
            "lab.seed": record.seed,
            "lab.duplicate_of": record.duplicate_of,
            "lab.compared_with": record.comparison.champion if record.comparison else None,
            "lab.continues": record.continues or None,
            "lab.pruned": _pruned(record.pruned),
            "lab.drift": "moved" if record.drift and record.drift.moved else None,
            "mlflow.note.content": _note(record),
            **_source(record.branch, record.commit),
        }
    )


def _status(record: VerdictRecord) -> str:
    if record.pruned is not None:
        return "KILLED"
    return "FAILED" if record.verdict in ("crashed", "rejected") else "FINISHED"


def _note(record: VerdictRecord) -> str:
    parts = [clean(record.hypothesis, 3000), f"**{record.verdict}**: {clean(record.reason, 1500)}"]
    if record.duplicate_of is not None:
        parts.append(f"Same tree as idea {record.duplicate_of:04d}.")
    return "\n\n".join(part for part in parts if part.strip())


def _source(name: str, commit: str) -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    return {
        "mlflow.user": user,
        "mlflow.source.name": name,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.branch": name,
        "mlflow.source.git.commit": commit,
    }


def _further(values: dict[str, float], metric: str) -> list[tuple[str, float | None]]:
    return [(name, value) for name, value in values.items() if name != metric]


def _at_tiers(values: Mapping[str, float]) -> tuple[tuple[str, float | None], ...]:
    """Values at the tiers before the last, each under a name of its own: they are never compared."""
    return tuple((f"tier.{name}", value) for name, value in values.items())


def _sealed(record: LockRecord | VerdictRecord) -> tuple[tuple[str, float | None], ...]:
    """What the owner may see of the hold-out; nothing where there was no look."""
    found = record.holdout
    return () if found is None else (("holdout", found.value), ("holdout_gap", found.gap))


def _compared(record: VerdictRecord) -> tuple[tuple[str, float | None], ...]:
    """The comparison in figures; nothing where two numbers were compared."""
    found = record.comparison
    if found is None or not has_chart(record):
        return ()
    return (
        ("difference_low", found.low),
        ("difference_high", found.high),
        ("difference_corrected", found.corrected),
        ("repeats", len(found.seeds)),
        ("evidence_log", found.evidence),
        ("evidence_needed_log", found.needed),
        ("error_spent", found.error_spent),
    )


def _noise(record: LockRecord) -> tuple[tuple[str, float | None], ...]:
    """How much the metric moves with the seed; nothing where it was not measured, or does not."""
    found = record.noise.get(record.metric)
    if found is None or not found.sd:
        return ()
    return (("noise_sd", found.sd), ("detectable_improvement", record.detectable))


def _point_draft(
    key: str, record: VerdictRecord, index: int, point: Point, metric: str, start: int, end: int
) -> Draft:
    values = {
        KEY: key,
        "lab.kind": "point",
        "lab.point": f"{record.number:04d}.{index}",
        "lab.status": point.status,
        "lab.pruned": _pruned(point.pruned),
        "lab.campaign": record.campaign,
        "lab.epoch": record.epoch,
        "lab.tree": point.tree,
        "mlflow.note.content": point.reason,
    }
    own = (("seconds", point.seconds),)
    return Draft(
        key=key,
        name=idea_name(record).replace(" ", f".{index} ", 1),
        tags=tags(values),
        start=start,
        end=min(end, start + int(1000 * point.seconds)),
        status={"scored": "FINISHED", "pruned": "KILLED"}.get(point.status, "FAILED"),
        params=params(point.params),
        metrics=metrics(((metric, point.value), *_further(point.metrics, metric), *own)),
    )


def baseline_draft(key: str, record: LockRecord) -> Draft:
    """The run of a lock: the champion of a new epoch, scored with its scorer."""
    moment = milliseconds(record.at)
    note = f"The value to beat in epoch {record.epoch}.\n\n{clean(record.reason, 3000)}".strip()
    values = {
        KEY: key,
        "lab.kind": "baseline",
        "lab.idea": record.champion,
        "lab.epoch": record.epoch,
        "lab.commit": record.commit,
        "lab.scorer_digest": record.digest,
        "mlflow.note.content": note,
        **_source(f"lab/{record.lab}/best", record.commit),
    }
    return Draft(
        key=key,
        name="baseline" if record.epoch <= 1 else f"baseline (epoch {record.epoch})",
        tags=tags(values),
        start=moment,
        end=moment,
        metrics=metrics(
            (
                (record.metric, record.value),
                *_further(record.metrics, record.metric),
                *_at_tiers({name: tier.value for name, tier in record.tiers.items()}),
                *_sealed(record),
                *_noise(record),
            )
        ),
        scorer=Scorer(digest=record.digest, tree=record.tree),
    )


def confirmation_draft(key: str, record: ConfirmationRecord, metric: str) -> Draft:
    """The run of a confirmation: what the champion is worth on fresh seeds."""
    moment = milliseconds(record.at)
    pairs = Pairs(record.candidate, record.against)
    values = {
        KEY: key,
        "lab.kind": "confirmation",
        "lab.idea": record.champion,
        "lab.epoch": record.epoch,
        "lab.campaign": record.campaign or None,
        "lab.commit": record.commit,
        "lab.baseline": record.baseline,
        "mlflow.note.content": f"Idea {record.champion:04d} and the baseline on {len(record.seeds)} seeds.",
    }
    own = (
        (f"{metric}_baseline", pairs.reference),
        ("difference", record.difference),
        ("difference_low", record.low),
        ("difference_high", record.high),
        ("repeats", len(record.seeds)),
        ("holdout", record.holdout),
        ("holdout_baseline", record.holdout_baseline),
    )
    return Draft(
        key=key,
        name=f"confirmation of {record.champion:04d}",
        tags=tags(values),
        start=moment,
        end=moment,
        metrics=metrics(((metric, pairs.value), *own)),
    )


def import_draft(key: str, record: ImportRecord) -> Draft:
    """The run of an import. It has no value: none of its rows is a score of the lab."""
    moment = milliseconds(record.at)
    kind = "on the scale of the lab's metric, says its owner" if record.comparable else "not the lab's metric"
    values = {
        KEY: key,
        "lab.kind": "imported",
        "lab.imported": record.form,
        "lab.epoch": record.epoch,
        "lab.source": record.source,
        "mlflow.source.name": "lab import",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": f"{record.rows} rows of {clean(record.source, 500)}, not scored by this lab. "
        f"Their values are {clean(record.metric, 250) or 'without a name'} ({record.goal}): {kind}.",
    }
    return Draft(
        key=key,
        name=clean(f"imported: {record.source}", 250),
        tags=tags(values),
        start=moment,
        end=moment,
        metrics=metrics((("imported.rows", record.rows), ("imported.valued", record.valued))),
    )


def point_key(key: str, index: int) -> str:
    """Key of the run of a batch's point, counted from 1."""
    return f"{key}.{index}"


def campaign_key(number: int) -> str:
    """Key of a campaign's run."""
    return f"campaign-{number}"


def is_campaign_key(key: str) -> bool:
    """Whether the run with this key is a campaign's."""
    return key.startswith("campaign-")


def campaign_draft(number: int, tally: Tally) -> Draft:
    """The run of a campaign, still running."""
    values = {
        KEY: campaign_key(number),
        "lab.kind": "campaign",
        "lab.campaign": number,
        "lab.strategy": tally.strategy,
        "mlflow.source.name": "lab run",
        "mlflow.source.type": "LOCAL",
    }
    return Draft(
        key=campaign_key(number),
        name=clean(f"campaign {number} {tally.strategy}".rstrip(), 250),
        tags=tags(values),
        start=milliseconds(tally.started),
        status="RUNNING",
    )


def ended(draft: Draft, at: str) -> Draft:
    """The same run, finished at a record's time."""
    return replace(draft, status="FINISHED", end=milliseconds(at))


def curve_point(story: Story, campaign: int, record: VerdictRecord) -> dict[str, float]:
    """The campaign's curves at its latest idea."""
    tally = story.campaigns[campaign]
    best = story.champion.value if story.champion else None
    name = story.lock.metric if story.lock else "metric"
    return metrics(
        (
            (f"{name}_best", best),
            ("ideas", tally.ideas),
            ("keep_rate", tally.kept / tally.ideas if tally.ideas else None),
            ("usd", tally.usd or None),
            *_sealed(record),
        )
    )
