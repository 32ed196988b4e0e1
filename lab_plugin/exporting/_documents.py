"""Results in each form, from the ledger alone."""

from __future__ import annotations

import json
from typing import Any, Literal

from lab_plugin.exporting._tables import render_table
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.ledger import canonical
from lab_plugin.summary import results_document

Form = Literal["tsv", "csv", "json"]


def render(lab: Lab, form: Form) -> bytes:
    """The results of a lab as a file; the same ledger gives the same bytes.

    Raises:
        LockError: The lab is not locked.
    """
    if lab.ledger.state().lock is None:
        raise not_locked(lab)
    document = results_document(lab)
    if form == "json":
        return json_bytes(document)
    return render_table(lab, document, "\t" if form == "tsv" else ",")


def render_records(lab: Lab) -> bytes:
    """Every record, oldest first, one line of JSON each, with its ledger commit."""
    lines = (
        canonical({"commit": entry.commit, "record": entry.record.model_dump()})
        for entry in lab.ledger.records()
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def json_bytes(document: Any) -> bytes:
    """A JSON document as `lab --json` prints it."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "replace"
    )
