"""The lab's MLflow mirror: which store, and what is shown of an idea there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lab_plugin.details import read_curves
from lab_plugin.errors import ConfigError
from lab_plugin.evidence import EvidenceDesk
from lab_plugin.lab import Lab
from lab_plugin.ledger import ImportRecord, VerdictRecord
from lab_plugin.tracking import Mirror, Store


def open_store(lab: Lab) -> Store:
    """The MLflow store: `MLFLOW_TRACKING_URI` if set, else that of `[tracking]`, else the embedded one.

    Raises:
        ConfigError: `[tracking]` is in a block that was never looked up here.
    """
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return Store(uri)
    lab.require_settings("tracking")
    table = lab.config.tracking
    if table.uri is None:
        return Store.embedded(lab.home.mlflow)
    password = lab.blocks.secret(lab.config.block_names("tracking"), "password")
    return Store(table.uri, table.artifacts or "", table.username or "", password)


def known_store(lab: Lab) -> Store | None:
    """`open_store`; None where `[tracking]` is in a block that was never looked up here."""
    try:
        return open_store(lab)
    except ConfigError:
        return None


def make_mirror(lab: Lab) -> Mirror:
    """The mirror of a lab's ledger."""
    evidence = EvidenceDesk(lab, lab.folder / "evidence")

    def files(record: VerdictRecord | ImportRecord) -> Mapping[str, bytes | Path]:
        if isinstance(record, ImportRecord):
            # Late: most commands know the store, and read nothing that was imported.
            from lab_plugin.importing import rows_file

            return {"imported.jsonl": rows_file(lab.repository, record)}
        return evidence.of(record)

    return Mirror(
        open_store(lab),
        lab.name,
        lab.key,
        lab.ledger,
        artifacts=files,
        written=evidence.forget,
        place=lab.repository.top.name,
        curves=lambda record: read_curves(lab.repository, record.details),
    )
