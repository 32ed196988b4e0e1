"""Tiers in the Prefect UI and in MLflow: subflows, named states, the agreement of tiers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.lab import Lab
from lab_plugin.tracking import Store
from tests.conftest import git
from tests.flows.test_in_prefect import ask
from tests.program import Cli, document

__all__ = ["ask"]

TIERS = """
[tiers.proxy]
seeds   = 1
promote = { quantile = 0.5 }
timeout = "20s"

[tiers.final]
seeds = 1
"""


def test_an_idea_goes_through_its_tiers_as_subflows(
    cli: Cli,
    make_lab: Callable[..., Path],
    ask: Callable[..., Any],  # noqa: F811 - the fixture
    shared_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_LAB_HOME", str(shared_home))
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "tiered"'})
    (folder / "lab.toml").write_text((folder / "lab.toml").read_text() + TIERS)
    git(folder, "commit", "-qam", "Tiers")
    cli("lock", cwd=folder)
    found = document(cli("run", "-n", "4", "--json", cwd=folder))
    ideas = {idea["number"]: idea for idea in found["ideas"]}
    assert len(ideas) == 4
    stopped = [idea for idea in ideas.values() if idea["tier"] == "proxy"]
    decided = [idea for idea in ideas.values() if idea["tier"] == "final"]
    assert stopped and decided
    assert all(idea["value"] is None and idea["verdict"] == "reverted" for idea in stopped)
    (standing,) = document(cli("results", "--json", cwd=folder))["tiers"]
    assert (standing["ideas"], standing["promoted"]) == (4, len(decided))

    lab = Lab.open(folder)
    records, tag = list(lab.ledger.state().ideas.values()), lab.tag
    lab.close()
    runs = ask("flow_runs", flow_runs={"tags": {"all_": [tag]}})
    names = {run["name"]: run["state"]["name"] for run in runs}
    for number in ideas:
        assert names[f"{number:04d} proxy"] in ("Promoted", "Waiting")
    for idea in decided:
        assert names[f"{idea['number']:04d} final"] == idea["verdict"].capitalize()
    states = {run["id"]: run["state"]["name"] for run in runs}
    # Also of ideas that waited: no run says so any more.
    assert all(states[record.flow_run] == record.verdict.capitalize() for record in records)
    assert "Waiting" not in {run["state"]["name"] for run in runs if not run["name"].endswith("proxy")}

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=Store.embedded(shared_home / "mlflow").uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    shown = client.search_runs(
        experiments, "tags.`lab.kind` = 'idea' and tags.`lab.branch` LIKE 'lab/tiered/%'"
    )
    assert len(shown) == 4
    metric = found["metric"]
    for run in shown:
        idea = ideas[int(run.data.tags["lab.idea"])]
        assert run.data.metrics["tier.proxy"] == idea["tiers"]["proxy"]
        assert run.data.metrics.get(metric) == idea["value"]
        assert run.data.tags["lab.tier"] == idea["tier"]
    assert "rank" in cli("status", cwd=folder).stdout


def test_a_tier_that_is_not_there_is_named(cli: Cli, make_lab: Callable[..., Path]) -> None:
    folder = make_lab()
    told = cli("results", "--tier", "finale", cwd=folder, code=1)
    assert "has no tier 'finale'" in told.stderr and "Did you mean 'final'?" in told.stderr
