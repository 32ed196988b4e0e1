"""Markdown that people read: the report of an iteration, and the table of a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from lab_plugin.comparison_report import comparison_lines
from lab_plugin.ledger import Drift, Holdout, VerdictRecord

_SHOWN_PATCH = 20_000
_NAME_LENGTH = 80


def idea_name(record: VerdictRecord) -> str:
    """Number and title on one line, as people meet the idea: a branch's slug has lost signs and points."""
    title = "".join(character if character.isprintable() else " " for character in record.title)
    name = f"{record.number:04d} {inline(title) or record.slug}"
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def iteration_report(record: VerdictRecord, metric: str, patch: str, chart: str = "") -> str:
    """One idea: what was tried, what came of it, and why it was kept or not.

    Args:
        record: The verdict.
        metric: Name of the metric.
        patch: The unified diff to the parent.
        chart: Address of the comparison's chart; "" where none can be shown.
    """
    lines = [
        f"# {record.number:04d}: {inline(record.title or record.slug)}",
        "",
        *((inline(record.hypothesis), "") if record.hypothesis else ()),
        f"**{record.verdict}**: {inline(record.reason)}",
        "",
        f"| branch | `{record.branch}` |",
        "|---|---|",
        f"| parent | `{record.parents[0][:12]}` |",
        f"| strategy | {record.strategy} |",
        f"| {_cell(metric)} | {_number(record.value)} |",
        f"| champion | {_number(record.champion_value)} |",
        f"| difference | {_number(record.difference, sign=True)} |",
        f"| seconds | {record.seconds:.2f} (and {record.orchestration_seconds:.2f} around them) |",
        f"| sandbox | {record.sandbox or 'not run'} |",
        *(f"| at the tier {name} | {_number(value)} |" for name, value in record.tiers.items()),
    ]
    lines += [
        f"| {_cell(name)} | {_number(value)} |" for name, value in record.metrics.items() if name != metric
    ]
    if record.pruned is not None:
        at = f"at step {record.pruned.step} by {record.pruned.pruner}"
        lines.append(f"| pruned | {_cell(at)}, curve {_number(record.pruned.value)} |")
    if record.holdout is not None:
        lines += _sealed(record.holdout)
    if record.drift is not None:
        lines += _drift(record.drift, metric)
    lines += comparison_lines(record, metric, chart)
    if record.params:
        lines += ["", "## Parameters", "", "| parameter | value |", "|---|---|"]
        lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in record.params.items()]
    if record.points:
        lines += ["", "## Points", "", f"| parameters | {_cell(metric)} | status |", "|---|---|---|"]
        lines += [
            f"| {_cell(point.params)} | {_number(point.value)} | {_cell(point.reason or point.status)} |"
            for point in record.points
        ]
    return "\n".join([*lines, "", "## Change", "", *fenced(patch)]) + "\n"


def results_rows(records: Sequence[VerdictRecord], metric: str) -> list[dict[str, str]]:
    """Rows for a table artifact, newest first."""
    return [
        {
            "idea": f"{record.number:04d}",
            "title": inline(record.title or record.slug)[:80],
            "verdict": record.verdict,
            "tier": record.tier,
            metric: _number(record.value),
            "difference": _number(record.difference, sign=True),
            "repeats": str(len(record.comparison.seeds)) if record.comparison else "",
            "seconds": f"{record.seconds:.2f}",
            "branch": record.branch,
        }
        for record in reversed(records)
    ]


def _drift(found: Drift, metric: str) -> list[str]:
    """What a look at the champion found."""
    before, after = found.before.get(metric), found.after.get(metric)
    word = "moved, its earlier scores are not used any more" if found.moved else "not shown to have moved"
    word = "not deterministic, as was thought" if found.found else word
    scores = f"{_number(before)} then, {_number(after)} now"
    return [f"| champion scored again | {word}: {scores} on seed {found.seed} |"]


def _sealed(found: Holdout) -> list[str]:
    """What the owner may see of the hold-out."""
    outcome = f"{found.outcome}: {found.reason}" if found.reason else found.outcome
    return [
        f"| hold-out | {_number(found.value)} |",
        f"| hold-out of the champion | {_number(found.champion_value)} |",
        f"| gap to the hold-out | {_number(found.gap, sign=True)} |",
        f"| hold-out guard | {_cell(outcome)} |",
    ]


def _number(value: float | None, sign: bool = False) -> str:
    if value is None:
        return "none"
    return f"{value:+.6g}" if sign else f"{value:.6g}"


def inline(text: str) -> str:
    """Text on one line."""
    return " ".join(text.split())


def _cell(value: object) -> str:
    return inline(str(value)).replace("|", "\\|")


def fenced(patch: str) -> list[str]:
    """A diff as lines of markdown that nothing in it can end."""
    if not patch:
        return ["No change to the parent."]
    shown = patch[:_SHOWN_PATCH]
    longest = max((len(run) for run in _backtick_runs(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    more = [f"The first {_SHOWN_PATCH:,} of {len(patch):,} characters."] if len(patch) > _SHOWN_PATCH else []
    return [f"{fence}diff", shown.rstrip("\n"), fence, *more]


def _backtick_runs(text: str) -> list[str]:
    runs = "".join(character if character == "`" else " " for character in text)
    return runs.split()
