"""Results as a table: the columns that systems of this kind have, and all that the lab knows beyond them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from lab_plugin.confirmation import first_lock
from lab_plugin.exporting._cells import cell, text_cell
from lab_plugin.lab import Lab

_STATUS = {"kept": "keep", "reverted": "discard", "inconclusive": "discard"}
_FIRST = ("commit", "memory_gb", "status", "description")
_FURTHER = (
    "number",
    "verdict",
    "reason",
    "branch",
    "parents",
    "strategy",
    "tier",
    "tiers",
    "difference",
    "metrics",
    "params",
    "seconds",
    "usd",
    "epoch",
    "campaign",
    "duplicate_of",
    "pruned",
    "continues",
    "repeats",
    "interval",
    "error_spent",
    "corrected",
    "holdout",
)
_PEAK = "usage.peak_bytes"


def render_table(lab: Lab, document: Mapping[str, Any], delimiter: str) -> bytes:
    """A table in UTF-8 with a header, the baseline in its first row.

    Args:
        lab: A locked lab.
        document: Its results.
        delimiter: A tab, for cells without quotes, or a comma.
    """
    metric = str(document["metric"])
    named = metric if metric not in (*_FIRST, *_FURTHER) else f"metric.{metric}"
    header = ["commit", text_cell(named), "memory_gb", "status", "description", *_FURTHER]
    stream = io.StringIO(newline="")
    rows = csv.writer(stream, delimiter=",", lineterminator="\n")
    for row in (header, *_rows(lab, document)):
        if delimiter == "\t":
            stream.write("\t".join(row) + "\n")
        else:
            rows.writerow(row)
    return stream.getvalue().encode("utf-8", "replace")


def _rows(lab: Lab, document: Mapping[str, Any]) -> Iterator[list[str]]:
    started = first_lock(lab)
    baseline = {
        "number": 0,
        "commit": started.commit,
        "value": started.value,
        "metrics": started.metrics,
        "verdict": "kept",
        "title": "baseline",
        "reason": started.reason,
        "tier": started.tier,
        "epoch": started.epoch,
    }
    for idea in (baseline, *document["ideas"]):
        peak = idea["metrics"].get(_PEAK)
        first = (
            idea["commit"],
            idea["value"],
            None if peak is None else round(peak / 2**30, 4),
            _STATUS.get(idea["verdict"], "crash"),
            idea["title"],
        )
        yield [cell(value) for value in (*first, *(idea.get(name) for name in _FURTHER))]
