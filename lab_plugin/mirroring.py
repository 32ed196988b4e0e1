"""The lab's MLflow mirror: which store, and what is shown of an idea there."""

from __future__ import annotations

import os

from lab_plugin.details import read_curves
from lab_plugin.evidence import EvidenceDesk
from lab_plugin.lab import Lab
from lab_plugin.tracking import Mirror, Store


def open_store(lab: Lab) -> Store:
    """The MLflow store: `MLFLOW_TRACKING_URI` when it is set, else the embedded one."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return Store(uri) if uri else Store.embedded(lab.home.mlflow)


def make_mirror(lab: Lab) -> Mirror:
    """The mirror of a lab's ledger."""
    evidence = EvidenceDesk(lab, lab.folder / "evidence")
    return Mirror(
        open_store(lab),
        lab.name,
        lab.identity,
        lab.ledger,
        artifacts=evidence.of,
        written=evidence.forget,
        place=lab.repository.top.name,
        curves=lambda record: read_curves(lab.repository, record.details),
    )
