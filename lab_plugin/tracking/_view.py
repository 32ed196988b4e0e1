"""The ready-made leaderboard: a saved view of the MLflow UI, and the paths of its pages.

The format is MLflow's own and undocumented: an envelope with a name and, as JSON text, the state of the runs
page. A UI that does not understand it says so and shows its ordinary table.
"""

from __future__ import annotations

import json

from lab_plugin.ledger._records import LockRecord
from lab_plugin.tracking._contract import Links
from lab_plugin.tracking._drafts import milliseconds
from lab_plugin.tracking._names import entity_name

_SHARE_KEY = "leaderboard"
VIEW_TAG = f"mlflow.sharedViewState.{_SHARE_KEY}"
_TAGS = ("lab.verdict", "lab.branch", "lab.parents", "lab.strategy")


def leaderboard(lock: LockRecord) -> str:
    """Ideas of one epoch, best first, with verdict, branch, parent and difference."""
    metric = f"metrics.`{entity_name(lock.metric)}`"
    columns = [metric, "metrics.`difference`", "metrics.`seconds`", *(f"tags.`{tag}`" for tag in _TAGS)]
    state = {
        "searchFilter": f"tags.`lab.idea` != '' AND tags.`lab.epoch` = '{lock.epoch}'",
        "orderByKey": metric,
        "orderByAsc": lock.goal == "minimize",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "runsHiddenMode": "FIRST_20_RUNS",
    }
    made = milliseconds(lock.at)
    envelope = {"name": "Leaderboard", "createdAt": made, "updatedAt": made, "state": json.dumps(state)}
    return json.dumps(envelope)


def links(experiment_id: str) -> Links:
    """Paths of the lab's pages in the UI."""
    # Without the workflow type the UI opens an experiment on its page for traces.
    runs = f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    return Links(experiment_id, runs, f"{runs}&viewStateShareKey={_SHARE_KEY}")
