"""A rejected trial says which rule it broke: in the ledger, in the Prefect UI and in MLflow."""

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

RULE = "outputs refused: point.json: a symbolic link"
LINKS = """
import json, os
from pathlib import Path
point = json.loads(Path("point.json").read_text())
output = Path(os.environ["LAB_OUTPUTS"]) / "point.json"
if point == {"x": -1.5, "y": 2.0}:
    output.write_text(json.dumps(point))
else:
    output.symlink_to("/etc/passwd")
"""


def test_the_rule_is_named_wherever_the_verdict_is_told(
    cli: Cli,
    make_lab: Callable[..., Path],
    ask: Callable[..., Any],  # noqa: F811 - the fixture
    shared_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_LAB_HOME", str(shared_home))
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "rejected"'})
    (folder / "candidate.py").write_text(LINKS)
    git(folder, "commit", "-qam", "Link")
    cli("lock", cwd=folder)
    (idea,) = document(cli("run", "-n", "1", "--json", cwd=folder))["ideas"]
    assert (idea["verdict"], idea["value"], idea["reason"]) == ("rejected", None, RULE)

    lab = Lab.open(folder)
    record = lab.ledger.state().ideas[1]
    tag, run_id = lab.tag, record.flow_run
    lab.close()
    assert (record.verdict, record.reason) == ("rejected", RULE)

    (run,) = ask("flow_runs", flow_runs={"id": {"any_": [run_id]}})
    assert tag in run["tags"] and run["name"].endswith("rejected")
    assert (run["state"]["name"], run["state"]["message"]) == ("Rejected", RULE)
    (report,) = ask("artifacts", artifacts={"flow_run_id": {"any_": [run_id]}})
    assert f"**rejected**: {RULE}" in report["data"]

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=Store.embedded(shared_home / "mlflow").uri)
    experiments = [found.experiment_id for found in client.search_experiments()]
    (run,) = client.search_runs(
        experiments, f"tags.`lab.commit` = '{record.commit}' AND tags.`lab.idea` = '1'"
    )
    assert run.info.status == "FAILED" and "value" not in run.data.metrics
    assert (run.data.tags["lab.verdict"], run.data.tags["lab.reason"]) == ("rejected", RULE)
    assert f"**rejected**: {RULE}" in run.data.tags["mlflow.note.content"]
