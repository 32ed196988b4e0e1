"""What was imported, as a document."""

from __future__ import annotations

from typing import Any

from lab_plugin.importing._stored import imports_of
from lab_plugin.lab import Lab


def imported_document(lab: Lab) -> dict[str, Any]:
    """Every imported row, by import, oldest first. None of them was scored by this lab."""
    state = lab.ledger.state()
    return {
        "lab": lab.name,
        "goal": lab.config.scorer.goal,
        "metric": lab.config.scorer.metric,
        "epoch": state.lock.epoch if state.lock else None,
        "imported": [
            {
                "record": record.sequence,
                "at": record.at,
                "epoch": record.epoch,
                "source": record.source,
                "form": record.form,
                "metric": record.metric,
                "goal": record.goal,
                "comparable": record.comparable,
                "rows": [row.model_dump(mode="json") for row in rows],
            }
            for record, rows in imports_of(lab.repository, state)
        ],
    }
