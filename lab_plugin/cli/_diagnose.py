"""`lab diagnose`: the worst samples first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab_plugin.cli._options import (
    JsonOption,
    LabOption,
    number,
    opened,
    print_json,
    print_table,
    print_untrusted,
)

if TYPE_CHECKING:
    from lab_plugin.diagnosis import Appearance, Diagnosis, Subject

_NOTE = 60


def diagnose(
    idea: Annotated[
        str,
        typer.Argument(metavar="[IDEA]", help="Its number, branch, or commit; 'champion', or 'baseline'."),
    ] = "champion",
    against: Annotated[
        str, typer.Option(metavar="IDEA", help="Sort by the difference to this one instead.")
    ] = "",
    sample: Annotated[str, typer.Option(metavar="ID", help="Show this sample over ideas.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="How many samples, or ideas, to show.")
    ] = 20,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where an idea is bad: its samples, the worst first, from the ledger alone."""
    from lab_plugin.diagnosis import diagnose as diagnose_idea
    from lab_plugin.diagnosis import sample_history

    with opened(lab, reads=True) as this:
        if sample:
            _show_sample(sample, sample_history(this, sample, limit), as_json)
        else:
            found = diagnose_idea(this, idea, against)
            if as_json:
                print_json(_document(found, limit))
            else:
                here = {tier.name: tier.config for tier in this.config.tiers}.get(
                    found.idea.tier, this.config
                )
                _show(found, limit, here.scorer.metric, this.config.tier)


def _show(found: Diagnosis, limit: int, metric: str, last: str) -> None:
    other = found.against
    print(f"{found.idea.name}: {metric} {number(found.idea.value)}, {len(found.rows)} samples", end="")
    print(f"; against {other.name}: {metric} {number(other.value)}" if other else "", end="")
    at = f"at the tier {found.idea.tier}, " if found.idea.tier != last else ""
    print(f" ({at}{found.direction.replace('_', ' ')}; the worst first)")
    header = ["sample", "score", "note"]
    if other:
        header[2:2] = [other.name, "difference"]
    rows = []
    for row in found.rows[:limit]:
        compared = [number(row.against), number(row.difference)] if other else []
        rows.append([row.id, number(row.score), *compared, row.note[:_NOTE]])
    print_table(header, rows)
    if len(found.rows) > limit:
        print(f"and {len(found.rows) - limit} more; --limit shows them")
    for name, missing in _missing(found):
        more = f" and {len(missing) - limit} more" if len(missing) > limit else ""
        print(f"{len(missing)} samples are missing from {name}: {', '.join(missing[:limit])}{more}")
    if found.feedback:
        print("\nThe scorer said:")
        print_untrusted(found.feedback.rstrip("\n") + "\n")


def _show_sample(sample: str, found: list[Appearance], as_json: bool) -> None:
    if as_json:
        scorings = [{**_subject(item.subject), "score": item.score, "note": item.note} for item in found]
        print_json({"sample": sample, "scorings": scorings})
        return
    rows = [
        [item.subject.name, number(item.subject.value), number(item.score), item.note[:_NOTE]]
        for item in found
    ]
    print_table(["scoring", "metric", sample, "note"], rows)


def _document(found: Diagnosis, limit: int) -> dict[str, Any]:
    return {
        "idea": _subject(found.idea),
        "against": _subject(found.against) if found.against else None,
        "direction": found.direction,
        "count": len(found.rows),
        "samples": [
            {
                "id": row.id,
                "score": row.score,
                "against": row.against,
                "difference": row.difference,
                "note": row.note,
            }
            for row in found.rows[:limit]
        ],
        "missing": {name: list(missing) for name, missing in _missing(found)},
        "feedback": found.feedback,
    }


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "name": subject.name,
        "number": subject.number,
        "epoch": subject.epoch,
        "tier": subject.tier,
        "value": subject.value,
    }


def _missing(found: Diagnosis) -> list[tuple[str, tuple[str, ...]]]:
    """Who lacks which samples that the other has."""
    if found.against is None:
        return []
    both = ((found.idea.name, found.only_against), (found.against.name, found.only_idea))
    return [(name, missing) for name, missing in both if missing]
