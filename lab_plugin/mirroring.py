"""The lab's MLflow mirror: which store, and what is shown of an idea there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lab_plugin.evidence import EvidenceDesk
from lab_plugin.lab import Lab
from lab_plugin.tracking import Mirror, Store

_CLOSE_SECONDS = 60.0


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
    )


@contextmanager
def mirroring(lab: Lab) -> Iterator[Mirror]:
    """Mirror the ledger in the background; leaving waits until MLflow has caught up, for a while."""
    mirror = make_mirror(lab)
    mirror.start()
    try:
        yield mirror
    finally:
        mirror.close(_CLOSE_SECONDS)
