import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.ledger import Holdout, Point
from lab_plugin.tracking import Store
from lab_plugin.tracking._names import entity_name, metrics, params, tags


def test_a_kept_idea_reads_well(ledger, mirror, seen):
    commit = ledger.verdict(7, verdict="kept", value=0.95, difference=0.05, flow_run="f-1", usd=0.25)
    assert mirror.sync().failed == 0
    run = seen.idea(7)
    assert (run.info.run_name, run.info.status) == ("0007 wider-mlp", "FINISHED")
    assert run.info.end_time - run.info.start_time == 3000
    assert run.data.metrics == {
        "accuracy": 0.95, "f1": 0.7, "difference": 0.05, "seconds": 2.5,
        "orchestration_seconds": 0.5, "usd": 0.25,
    }  # fmt: skip
    assert run.data.params == {"hidden": "64", "solver": "adam"}
    expected = {
        "lab.record": commit, "lab.verdict": "kept", "lab.reason": "not better", "lab.campaign": "1",
        "lab.epoch": "1",
        "lab.tier": "final",
        "lab.branch": "lab/digits/ideas/0007-wider-mlp", "lab.parents": "c" * 40, "lab.strategy": "tpe",
        "lab.scorer_digest": "ab" * 32, "lab.commit": f"{4103:040x}", "lab.flow_run": "f-1",
        "mlflow.source.git.commit": f"{4103:040x}", "mlflow.source.name": "lab/digits/ideas/0007-wider-mlp",
        "mlflow.note.content": "A wider layer helps.\n\n**kept**: not better",
    }  # fmt: skip
    assert expected.items() <= run.data.tags.items()
    assert json.loads(seen.experiment().tags["lab.champion"]) == {
        "run": run.info.run_id, "branch": "lab/digits/ideas/0007-wider-mlp", "value": 0.95, "idea": 7,
    }  # fmt: skip


@pytest.mark.parametrize("verdict", ["crashed", "rejected"])
def test_an_idea_without_a_value_has_no_metric_and_failed(ledger, mirror, seen, verdict):
    ledger.verdict(1, verdict=verdict, value=None, difference=None)
    mirror.sync()
    run = seen.idea(1)
    assert run.info.status == "FAILED"
    assert set(run.data.metrics) == {"f1", "seconds", "orchestration_seconds"}


@pytest.mark.parametrize("verdict", ["reverted", "inconclusive"])
def test_an_idea_that_was_not_kept_is_finished(ledger, mirror, seen, verdict):
    ledger.verdict(1, verdict=verdict)
    mirror.sync()
    assert seen.idea(1).info.status == "FINISHED"
    assert json.loads(seen.experiment().tags["lab.champion"])["idea"] == 0


def test_a_batch_shows_its_points_below_the_idea(ledger, mirror, seen):
    points = (
        Point(tree="1" * 40, params={"hidden": 1}, value=0.5, seconds=1.0),
        Point(tree="2" * 40, params={"hidden": 2}, status="crashed", reason="exit 1"),
    )
    ledger.verdict(3, points=points)
    mirror.sync()
    parent = seen.idea(3).info.run_id
    children = {run.info.run_name: run for run in seen.runs(f"tags.`mlflow.parentRunId` = '{parent}'")}
    assert set(children) == {"0003.1 wider-mlp", "0003.2 wider-mlp"}
    first, second = children["0003.1 wider-mlp"], children["0003.2 wider-mlp"]
    assert (first.info.status, first.data.params) == ("FINISHED", {"hidden": "1"})
    assert first.data.metrics == {"accuracy": 0.5, "seconds": 1.0}
    assert (second.info.status, "accuracy" in second.data.metrics) == ("FAILED", False)
    assert seen.numbers() == [3]


def test_a_campaign_carries_the_best_so_far(ledger, mirror, seen):
    ledger.verdict(1)
    ledger.verdict(2, verdict="kept", value=0.95)
    ledger.verdict(3, verdict="crashed", value=None)
    ledger.campaign("closed", at="2026-01-31T06:00:00Z", reason="the budget is spent")
    mirror.sync()
    run = seen.one("tags.`lab.kind` = 'campaign'")
    assert (run.info.run_name, run.info.status) == ("campaign 1 tpe", "FINISHED")
    assert run.info.end_time > run.info.start_time
    assert seen.curve(run, "accuracy_best") == [(1, 0.9), (2, 0.95), (3, 0.95)]
    assert run.data.metrics["ideas"] == 3
    assert run.data.metrics["keep_rate"] == pytest.approx(1 / 3)


def test_the_best_so_far_never_falls_back_when_ideas_end_out_of_order(ledger, mirror, seen):
    ledger.verdict(2, verdict="kept", value=0.95)
    ledger.verdict(1)
    mirror.sync()
    run = seen.one("tags.`lab.kind` = 'campaign'")
    assert seen.curve(run, "accuracy_best") == [(1, 0.95), (2, 0.95)]


def test_a_run_is_named_by_its_title_which_keeps_what_a_slug_loses(ledger, mirror, seen):
    points = (Point(params={"x": -1.3}, tree="f" * 40, status="scored", value=0.5, seconds=1.0),)
    ledger.verdict(1, title="x -1.3,\x1b y 0.2", slug="x-1-3-y-0-2", points=points)
    mirror.sync()
    assert {run.info.run_name for run in seen.runs("tags.`lab.kind` != 'campaign'")} >= {
        "0001 x -1.3, y 0.2",
        "0001.1 x -1.3, y 0.2",
    }


def test_a_campaign_goes_on_in_the_same_run(ledger, mirrors, seen):
    ledger.verdict(1)
    ledger.campaign("closed", reason="spent")
    mirrors().sync()
    ledger.campaign("revised")
    ledger.verdict(2)
    follower = mirrors()
    follower.start()
    follower.notify()
    assert follower.close(60)
    run = seen.one("tags.`lab.kind` = 'campaign'")
    assert run.info.status == "RUNNING"
    assert [step for step, _ in seen.curve(run, "ideas")] == [1, 2]


def test_each_epoch_has_its_baseline_with_the_scorer_as_input(ledger, mirror, seen):
    ledger.lock(
        at="2026-02-01T00:00:00Z",
        epoch=2,
        value=0.7,
        champion=4,
        digest="cd" * 32,
        goal="minimize",
        metric="loss",
    )
    mirror.sync()
    first, second = seen.runs("tags.`lab.kind` = 'baseline'")
    assert [run.info.run_name for run in (first, second)] == ["baseline", "baseline (epoch 2)"]
    assert first.data.metrics == {"accuracy": 0.9}
    dataset = second.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("scorer", ("cd" * 32)[:36])
    tags = seen.experiment().tags
    assert (tags["lab.metric"], tags["lab.goal"]) == ("loss", "minimize")


def test_files_are_kept_with_the_idea(ledger, mirrors, seen, tmp_path):
    ledger.verdict(1)
    log = tmp_path / "some.log"
    log.write_text("hello")
    files = {"patch.diff.txt": b"+ x\n", "stdout.log": log, "gone.log": tmp_path / "gone"}
    told = []
    mirrors(artifacts=lambda record: files, written=told.append).sync()
    assert seen.files(seen.idea(1)) == {"patch.diff.txt": "+ x\n", "stdout.log": "hello"}
    assert [record.number for record in told] == [1]
    assert log.exists()


def test_files_that_cannot_be_had_cost_only_the_files(ledger, mirrors, seen, caplog):
    def broken(record):
        raise OSError("disk on fire")

    ledger.verdict(1)
    report = mirrors(artifacts=broken, written=broken).sync()
    assert (report.failed, seen.numbers()) == (0, [1])
    assert "disk on fire" in caplog.text


def test_a_record_that_cannot_be_shown_does_not_hold_up_the_next(ledger, mirrors, seen, caplog):
    ledger.verdict(1, at="yesterday")
    ledger.verdict(2)
    ledger.verdict(3)
    files = {3: {"../../escape": b"x"}}
    report = mirrors(artifacts=lambda record: files.get(record.number, {})).sync()
    assert report.failed == 2
    assert "yesterday" in caplog.text
    finished = [
        r.data.tags["lab.idea"]
        for r in seen.runs("attributes.status = 'FINISHED'")
        if "lab.idea" in r.data.tags
    ]
    assert finished == ["0", "2"]


def test_hostile_names_and_texts_are_taken(ledger, mirror, seen):
    ledger.lock(
        at="2026-02-01T00:00:00Z",
        metric="réussite @1/5 %",
        value=0.5,
        metrics={"a/../b": 1.0, "a\n": 2.0, "a_": 3.0, "": 4.0},
    )
    names = {f"knob-{number}": number for number in range(150)}
    ledger.verdict(
        1,
        slug="größer-als-日本",
        hypothesis="x" * 20_000 + "\0",
        reason="<script>alert(1)</script>\n" + "y" * 9_000,
        params={"/abs//path/.": "v" * 9_000, "nested": {"a": [1, None]}, "flag": True, "empty": "", **names},
        metrics={"seconds": 9.0, "f1": 0.5},
    )
    assert mirror.sync().failed == 0
    run = seen.idea(1)
    assert run.info.run_name == "0001 größer-als-日本"
    assert run.data.metrics["réussite _1/5 _"] == 0.8
    assert (run.data.metrics["seconds"], run.data.metrics["seconds_2"]) == (9.0, 2.5)
    assert len(run.data.params) == 100
    assert len(run.data.params["abs/path"]) == 500
    assert (run.data.params["nested"], run.data.params["flag"]) == ('{"a": [1, null]}', "true")
    assert len(run.data.tags["mlflow.note.content"]) <= 5000
    last = seen.runs("tags.`lab.kind` = 'baseline'")[-1]
    assert last.data.metrics.keys() >= {"a/b", "a_", "a__2", "_", "réussite _1/5 _"}


@given(st.dictionaries(st.text(), st.floats()))
def test_metrics_are_finite_and_named_as_mlflow_allows(values):
    from mlflow.utils.validation import _validate_metric

    given = metrics(values.items())
    assert len(given) == sum(map(math.isfinite, values.values()))
    for name, value in given.items():
        _validate_metric(name, value, 0, 0)


@given(st.text())
def test_a_name_is_a_path_that_mlflow_allows(name):
    from mlflow.utils.validation import _validate_param_name

    _validate_param_name(entity_name(name))
    assert entity_name(entity_name(name)) == entity_name(name)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none(), st.lists(st.floats()))))
def test_values_fit(values):
    for text in (*params(values).values(), *tags(values).values()):
        assert len(text) <= 5000
        assert "\0" not in text
        text.encode()


def test_an_artifact_may_be_a_path(tmp_path: Path, ledger, mirrors, seen):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(secret)
    ledger.verdict(1)
    mirrors(artifacts=lambda record: {"logs/link.log": link, "logs/deep/a.txt": b"a"}).sync()
    run = seen.idea(1)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["a.txt"]


def test_a_store_that_keeps_files_elsewhere_gets_them_through_mlflow(ledger, mirrors, store, tmp_path):
    ledger.verdict(1)
    plain = Store(store.uri, str(tmp_path / "other files"))
    mirrors(store=plain, artifacts=lambda record: {"deep/a b#.txt": b"a"}).sync()
    found = [path for path in (tmp_path / "other files").rglob("*") if path.is_file()]
    assert [path.name for path in found] == ["a b#.txt"]


def test_the_gap_to_the_holdout_is_a_curve_and_a_drawing(ledger, mirror, seen):
    ledger.lock(epoch=2, holdout=Holdout(outcome="baseline", value=0.85, gap=0.05))
    ledger.verdict(1, epoch=2)
    ledger.verdict(2, epoch=2, holdout=Holdout(outcome="worse", value=0.5, gap=0.3, counted=True))
    ledger.verdict(3, epoch=2, holdout=Holdout(outcome="unlooked", reason="all looks are spent"))
    mirror.sync()
    campaign = seen.one("tags.`lab.kind` = 'campaign'")
    assert seen.curve(campaign, "holdout_gap") == [(2, 0.3)]
    assert seen.idea(2).data.metrics["holdout"] == 0.5
    assert "holdout" not in seen.idea(3).data.metrics
    drawing = seen.files(campaign)["holdout.svg"]
    # The baseline and one idea, each with its metric and its hold-out value.
    assert drawing.startswith("<svg") and drawing.count("<circle") == 4
