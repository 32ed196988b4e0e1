"""Curves at several tiers: judged among their own, and in MLflow again after all of it was lost."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.mirroring import make_mirror, open_store
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate, lock
from tests.pruning.conftest import rising

TIERS = """
[pruning]
pruner  = "median"
startup = 2

[tiers.proxy]
seeds   = 2
promote = { threshold = 0.3 }

[tiers.final]
seeds   = 1
pruning = false
"""


def mirrored(lab: Lab) -> dict[str, Any]:
    """All that MLflow has of a lab's ideas and campaigns, but for times and its own ids."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=open_store(lab).uri)
    (experiment,) = client.search_experiments(filter_string=f"tags.`lab.id` = '{lab.identity}'")
    found = {}
    for run in client.search_runs([experiment.experiment_id]):
        histories = {
            name: sorted(
                (point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
            )
            for name in run.data.metrics
        }
        tags = {name: value for name, value in run.data.tags.items() if run.info.run_id not in value}
        found[run.info.run_name] = (run.info.status, run.data.params, histories, tags)
    return found


async def test_each_tier_prunes_by_its_own_rule_and_all_is_mirrored_again(
    make: Callable[..., Path], home: Path
) -> None:
    bad = {"curve": rising(0.1), "sleep": 95, "value": 0.1}
    plan = [
        {"curve": rising(0.5), "value": 0.5},
        {"curve": rising(0.6), "value": 0.6},
        bad,
        {"curve": rising(0.7), "value": 0.2},
        # Good enough for the first tier; at the last one none is ended for such a curve.
        {"curve": rising(0.9), "curve-final": rising(0.1), "value": 0.4},
    ]
    folder = make(plan, TIERS)
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 5})) as campaign:
        records = [record async for record in iterate(campaign)]
    assert [(record.verdict, record.tier) for record in records] == [
        ("kept", "final"),
        ("kept", "final"),
        ("reverted", "proxy"),
        ("reverted", "proxy"),
        ("reverted", "final"),
    ]
    assert records[2].pruned is not None and records[2].tiers == {}
    lab = Lab.open(folder)
    try:
        assert verify_ledger(lab) == []
        assert make_mirror(lab).sync().failed == 0
        before = mirrored(lab)
        shutil.rmtree(lab.home.mlflow)
        report = make_mirror(lab).sync()
        assert (report.failed, report.already) == (0, 0)
        assert mirrored(lab) == before
    finally:
        lab.close()
    ideas = {tags["lab.idea"]: rest for *rest, tags in before.values() if "lab.idea" in tags}
    assert ideas["3"][0] == "KILLED" and "curve" in ideas["3"][2]
    assert ideas["4"][2]["tier.proxy"] == [(0, 0.2)] and "value" not in ideas["4"][2]
    assert ideas["5"][2]["tier.proxy"] == [(0, 0.4)] and "value" in ideas["5"][2]
