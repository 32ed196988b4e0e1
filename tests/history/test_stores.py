"""Real Optuna storages and a real MLflow store."""

import hashlib
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from lab_plugin.errors import ImportingError
from lab_plugin.importing import imported_document
from lab_plugin.lab import Lab
from lab_plugin.mirroring import make_mirror, open_store
from lab_plugin.tracking import Store, connect
from tests.history.conftest import Import

_SPACE = {"x": FloatDistribution(-2.0, 2.0), "y": FloatDistribution(-1.0, 3.0)}


def _fill(study: optuna.Study) -> None:
    point = {"params": {"x": 0.5, "y": 0.25}, "distributions": _SPACE}
    study.add_trial(create_trial(value=3.5, **point))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 2.0}, **point))
    study.add_trial(create_trial(state=TrialState.FAIL, **point))
    study.add_trial(create_trial(state=TrialState.RUNNING, **point))
    other = {"params": {"act": "relu"}, "distributions": {"act": CategoricalDistribution(["relu", "gelu"])}}
    study.add_trial(create_trial(value=float("inf"), **other))
    study.add_trial(create_trial(value=1.5, **other))


def _study(storage: Any, name: str = "s", direction: str = "minimize") -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.create_study(storage=storage, study_name=name, direction=direction)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["sqlite", "path", "journal"])
def test_studies_are_read_from_their_storages_and_left_as_they_are(
    tmp_path: Path, take: Import, lab: Lab, kind: str
) -> None:
    place = tmp_path / "store"
    place.mkdir()
    file = place / ("journal.log" if kind == "journal" else "optuna.db")
    storage = JournalStorage(JournalFileBackend(str(file))) if kind == "journal" else f"sqlite:///{file}"
    _fill(_study(storage))
    before = _digests(place)
    report = take(f"sqlite:///{file}" if kind == "sqlite" else file, skip_bad=True)
    assert _digests(place) == before
    assert (report.form, report.metric, report.goal, report.unfinished) == ("optuna", "", "minimize", 1)
    assert [row.line for row in report.bad] == [5]
    assert (report.rows, report.valued, report.fitting, report.elsewhere) == (4, 2, 3, 1)
    # A study does not name its values: nobody said that they are the lab's metric.
    assert (report.comparable, report.told) == (False, 0)
    rows = imported_document(lab)["imported"][0]["rows"]
    assert [row["status"] for row in rows] == ["", "pruned", "crash", ""]
    assert [row["value"] for row in rows] == [3.5, None, None, 1.5]
    trusted = take(file, trust=True, skip_bad=True)
    assert (trusted.comparable, trusted.told) == (True, 1)


def test_the_study_and_its_objective_must_be_clear(tmp_path: Path, take: Import) -> None:
    address = f"sqlite:///{tmp_path / 'o.db'}"
    _fill(_study(address, "one", "maximize"))
    both = optuna.create_study(storage=address, study_name="two", directions=["minimize", "maximize"])
    both.add_trial(create_trial(values=[1.0, 2.0], params={"x": 1.0}, distributions={"x": _SPACE["x"]}))
    with pytest.raises(ImportingError, match="2 studies.*one, two"):
        take(address)
    with pytest.raises(ImportingError, match="no study 'three'"):
        take(address, study="three")
    with pytest.raises(ImportingError, match="2 objectives"):
        take(address, study="two")
    with pytest.raises(ImportingError, match="better when higher"):
        take(address, study="one", trust=True, skip_bad=True)
    with pytest.raises(ImportingError, match="says maximize"):
        take(address, study="one", goal="minimize", skip_bad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both.set_metric_names(["value", "accuracy"])
    report = take(address, study="two", metric="value")
    assert (report.metric, report.comparable, report.valued) == ("value", True, 1)


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\0" + b"\xff" * 200, b'{"op_code": 0}\n{"op', b"\x7fELF\n"]
)
def test_what_is_no_storage_is_refused(tmp_path: Path, take: Import, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(ImportingError):
        take(tmp_path / "store.db")
    with pytest.raises(ImportingError):
        take(tmp_path / "store.db", study="s")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(ImportingError):
        take(f"sqlite:///{tmp_path / 'missing.db'}", study="s")
    assert not (tmp_path / "missing.db").exists()


def test_experiments_are_read_from_mlflow(tmp_path: Path, take: Import, lab: Lab, mlflow_store: Path) -> None:
    file = Path(shutil.copy(mlflow_store, tmp_path / "theirs.db"))
    client = connect(Store(f"sqlite:///{file}"))
    experiment = client.create_experiment("theirs", artifact_location=(tmp_path / "a").as_uri())

    def run(name: str, status: str, values: dict[str, float], tags: dict[str, str]) -> None:
        made = client.create_run(experiment, tags=tags, run_name=name).info.run_id
        for key, value in values.items():
            client.log_metric(made, key, value)
        client.log_param(made, "x", "0.5")
        client.log_param(made, "y", "1")
        if status != "RUNNING":
            client.set_terminated(made, status)

    run("good", "FINISHED", {"value": 0.5, "loss": 2.0}, {"mlflow.note.content": "wider\nmore"})
    run("bad", "FINISHED", {"value": float("nan")}, {})
    run("huge", "FINISHED", {"value": float("inf")}, {})
    run("failed", "FAILED", {"value": 0.0}, {})
    run("going", "RUNNING", {"value": 0.1}, {})
    run("campaign", "FINISHED", {"value_best": 0.1}, {"lab.kind": "campaign"})
    with pytest.raises(ImportingError, match="no metric 'rmse'"):
        take(file, metric="rmse")
    with pytest.raises(ImportingError, match="theirs"):
        take(file, experiment="none")
    report = take(file, experiment="theirs", skip_bad=True)
    assert (report.form, report.rows, report.told, report.unfinished) == ("mlflow", 2, 1, 2)
    assert [row.line for row in report.bad] == [2, 3]
    good, failed = imported_document(lab)["imported"][0]["rows"]
    assert (good["name"], good["title"], good["value"], good["metrics"]) == (
        "good",
        "wider",
        0.5,
        {"loss": 2.0},
    )
    assert (failed["value"], failed["status"]) == (None, "crash")


def test_a_folder_of_mlflow_is_read(tmp_path: Path, take: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mlruns"
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        client = connect(Store(folder.as_uri()))
        experiment = client.create_experiment("old")
        run = client.create_run(experiment).info.run_id
        client.log_metric(run, "value", 2.5)
        client.set_terminated(run)
    for where in (folder, folder.as_uri()):
        report = take(where, dry_run=True)
        assert (report.form, report.rows, report.valued) == ("mlflow", 1, 1)
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ


def test_imports_are_shown_in_mlflow_apart_and_the_mirror_is_not_taken_back(
    take: Import, lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "r.tsv").write_text("value\ttitle\n-5\tbest of all\n1\tother\n")
    take(tmp_path / "r.tsv")
    mirror = make_mirror(lab)
    assert mirror.sync().failed == 0
    assert mirror.sync().written == 0
    store = open_store(lab)
    client = connect(store)
    experiment = mirror.links().experiment_id
    [run] = client.search_runs([experiment], "tags.`lab.kind` = 'imported'")
    assert run.data.metrics == {"imported.rows": 2.0, "imported.valued": 2.0}
    assert "lab.idea" not in run.data.tags
    [file] = client.list_artifacts(run.info.run_id)
    text = Path(client.download_artifacts(run.info.run_id, file.path, str(tmp_path))).read_text()
    assert "best of all" in text
    with pytest.raises(ImportingError, match="mirror of this lab itself"):
        take(store.uri, experiment=client.get_experiment(experiment).name)
    # Runs of metrics that are the lab's own are its ideas and baselines, and nobody else's.
    kinds = {each.data.tags["lab.kind"] for each in client.search_runs([experiment], "metrics.value > -100")}
    assert kinds == {"idea", "baseline", "confirmation"} or kinds == {"idea", "baseline"}


def test_a_password_in_an_address_is_not_kept(take: Import) -> None:
    with pytest.raises(ImportingError) as caught:
        take("postgresql://ada:hunter2secret@127.0.0.1:1/db", study="s")
    assert "hunter2" not in str(caught.value)
