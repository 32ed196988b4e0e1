import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lab_plugin.tracking import Store, leaderboard_url


@pytest.mark.parametrize(("goal", "first"), [("maximize", 2), ("minimize", 1)])
def test_the_leaderboard_lists_this_epochs_ideas_best_first(ledger, mirror, seen, goal, first):
    ledger.verdict(9)
    ledger.lock(at="2026-02-01T00:00:00Z", epoch=2, goal=goal, value=0.6)
    ledger.verdict(1, epoch=2, value=0.4)
    ledger.verdict(2, epoch=2, value=0.8)
    ledger.verdict(3, epoch=2, verdict="crashed", value=None)
    mirror.sync()
    envelope = json.loads(seen.experiment().tags["mlflow.sharedViewState.leaderboard"])
    assert (envelope["name"], type(envelope["createdAt"])) == ("Leaderboard", int)
    state = json.loads(envelope["state"])
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    where = [seen.experiment().experiment_id]
    found = seen.client.search_runs(where, state["searchFilter"], order_by=[order])
    listed = [int(run.data.tags["lab.idea"]) for run in found]
    assert listed == [first, 0, 3 - first, 3]
    tags = set(found[0].data.tags) | {"lab.verdict", "lab.strategy"}
    for column in state["selectedColumns"]:
        kind, name = re.fullmatch(r"(\w+)\.`(.+)`", column).groups()
        assert name in (tags if kind == "tags" else found[0].data.metrics)


def test_the_ui_still_knows_the_format_of_the_view():
    import mlflow

    bundle = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    text = "\n".join(file.read_text() for file in bundle.glob("*.js"))
    words = (
        "mlflow.sharedViewState.",
        "viewStateShareKey",
        "workflowType",
        "machine_learning",
        "Invalid saved-view envelope",
        '"searchFilter","orderByKey","orderByAsc","startTime","lifecycleFilter"',
        '"selectedColumns","columnOrder"',
    )
    assert [word for word in words if word not in text] == []


def test_links_lead_to_the_runs_and_the_leaderboard(mirror, seen):
    found = mirror.links()
    number = seen.experiment().experiment_id
    assert found.experiment_id == number == mirror.links().experiment_id
    assert found.experiment == f"/#/experiments/{number}/runs?workflowType=machine_learning"
    assert found.leaderboard == f"{found.experiment}&viewStateShareKey=leaderboard"


def test_the_leaderboard_is_found_without_mlflow(store, mirror):
    assert leaderboard_url(store, "1234abcd") is None
    path = mirror.links().leaderboard
    code = (
        "import sys; from lab_plugin.tracking import Store, leaderboard_url\n"
        "print(leaderboard_url(Store(*sys.argv[1:3]), sys.argv[3])); assert 'mlflow' not in sys.modules"
    )
    command = [sys.executable, "-c", code, store.uri, store.artifacts]
    found = subprocess.run([*command, "deadbeef"], capture_output=True, text=True, check=True).stdout
    assert found == f"http://127.0.0.1:5000{path}\n"
    other = subprocess.run([*command, "0" * 8], capture_output=True, text=True, check=True).stdout
    assert other == "None\n"


def test_no_leaderboard_where_the_store_is_gone(tmp_path):
    assert leaderboard_url(Store.embedded(tmp_path / "none"), "1234abcd") is None
    assert leaderboard_url(Store("http://127.0.0.1:9"), "1234abcd") is None


def test_the_ui_command_is_for_this_machine_only(store):
    words = shlex.split(store.ui_command(5001))
    assert words[0] == "env"
    assert store.uri in words
    assert words[words.index("--host") + 1] == "127.0.0.1"
    assert words[words.index("--workers") + 1] == "1"
    assert words[words.index("--allowed-hosts") + 1] == "localhost:5001,127.0.0.1:5001"
    assert "MLFLOW_DISABLE_TELEMETRY=true" in words
