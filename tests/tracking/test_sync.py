import json
import os
import signal
from contextlib import suppress

import pytest

from lab_plugin.tracking import SyncReport


def test_sync_is_idempotent(ledger, mirror, seen):
    for number in (1, 2, 3):
        ledger.verdict(number)
    assert mirror.sync() == SyncReport(written=4)
    assert mirror.sync() == SyncReport(already=4)
    assert seen.numbers() == [1, 2, 3]
    assert seen.experiment().tags["lab.mirrored"] == ledger.lines[-1].commit


def test_sync_mends_what_was_done_by_hand(ledger, mirror, seen):
    for number in (1, 2, 3):
        ledger.verdict(number)
    mirror.sync()
    run = seen.idea(2)
    seen.client.delete_run(run.info.run_id)
    double = seen.idea(3)
    seen.client.create_run(double.info.experiment_id, tags={"lab.record": double.data.tags["lab.record"]})
    seen.client.create_run(double.info.experiment_id, tags={"lab.record": "f" * 40})
    seen.client.create_run(double.info.experiment_id, run_name="by hand")
    assert mirror.sync() == SyncReport(written=1, already=3, deleted=2)
    assert seen.numbers() == [1, 2, 3]
    assert [run.info.run_name for run in seen.runs() if "lab.record" not in run.data.tags] == ["by hand"]


def test_a_deleted_campaign_run_is_drawn_anew(ledger, mirror, seen):
    for number in (1, 2):
        ledger.verdict(number)
    mirror.sync()
    seen.client.delete_run(seen.one("tags.`lab.kind` = 'campaign'").info.run_id)
    mirror.sync()
    run = seen.one("tags.`lab.kind` = 'campaign'")
    assert [step for step, _ in seen.curve(run, "accuracy_best")] == [1, 2]


def test_rebuild_writes_all_again_and_loses_no_file(ledger, mirrors, seen):
    ledger.verdict(1)
    ledger.verdict(2, verdict="kept", value=0.99)
    mirrors(artifacts=lambda record: {"stdout.log": b"precious"}).sync()
    before = {run.info.run_id for run in seen.runs()}
    steps = []
    report = mirrors().sync(rebuild=True, progress=lambda done, total: steps.append((done, total)))
    assert report == SyncReport(written=3, deleted=4)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert not before & {run.info.run_id for run in seen.runs()}
    assert seen.numbers() == [1, 2]
    assert seen.files(seen.idea(1)) == {"stdout.log": "precious"}
    assert json.loads(seen.experiment().tags["lab.champion"])["run"] == seen.idea(2).info.run_id


def test_another_history_replaces_the_first(ledger, mirror, seen):
    for number in (1, 2, 3):
        ledger.verdict(number)
    mirror.sync()
    del ledger.lines[3:]
    ledger.lines[2] = type(ledger.lines[2])("a" * 40, ledger.lines[2].record)
    mirror.start()
    mirror.notify()
    assert mirror.close(60)
    assert seen.numbers() == [1]


def test_an_empty_ledger_makes_an_empty_experiment(ledger, mirror, seen):
    ledger.lines.clear()
    assert mirror.sync() == SyncReport()
    assert seen.runs() == []


def test_labs_of_one_name_do_not_mix(ledger, mirrors, seen):
    ledger.verdict(1)
    mirrors().sync()
    mirrors(identity="cafe", place="other-repo").sync()
    mirrors(identity="f00d", place="other-repo").sync()
    names = [seen.experiment(identity).name for identity in ("deadbeef", "cafe", "f00d")]
    assert names == ["digits", "digits (other-repo)", "digits (f00d)"]
    assert [len(seen.runs(identity=identity)) for identity in ("deadbeef", "cafe", "f00d")] == [3, 3, 3]


def test_a_deleted_experiment_comes_back(ledger, mirror, seen):
    mirror.sync()
    seen.client.delete_experiment(seen.experiment().experiment_id)
    ledger.verdict(1)
    mirror.sync()
    assert seen.numbers() == [1]


def test_two_at_once_write_each_idea_once(ledger, mirrors, seen):
    for number in range(1, 13):
        ledger.verdict(number)
    first, second = mirrors(), mirrors()
    for one in (first, second):
        one.start()
        one.notify()
    assert mirrors().sync().failed == 0
    assert first.close(60) and second.close(60)
    assert seen.numbers() == list(range(1, 13))


@pytest.mark.parametrize("identity", ["", "a'b", "a/b"])
def test_an_identity_that_would_break_a_query_is_refused(mirrors, identity):
    with pytest.raises(ValueError, match="identity"):
        mirrors(identity=identity)


def _killed_in(method: str, call: int, work) -> None:
    """Run `work` in a child that is killed in the middle of the n-th call of a client's method."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            from mlflow import MlflowClient

            original, count = getattr(MlflowClient, method), iter(range(1, 1000))

            def lethal(*arguments, **named):
                answer = original(*arguments, **named)
                if next(count) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return answer

            setattr(MlflowClient, method, lethal)
            work()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def _follow(mirror) -> bool:
    mirror.start()
    mirror.notify()
    return mirror.close(60)


@pytest.mark.parametrize("again", ["sync", "follow"])
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("create_experiment", 1),
        ("create_run", 4),
        ("log_batch", 4),
        ("create_run", 5),
        ("set_terminated", 4),
    ],
)
def test_killed_at_any_point_each_idea_is_there_once(ledger, mirrors, seen, method, call, again):
    for number in (1, 2, 3):
        ledger.verdict(number)
    files = {"report.md": b"# Report"}
    _killed_in(method, call, lambda: _follow(mirrors(artifacts=lambda record: files)))
    mirror = mirrors(artifacts=lambda record: files)
    assert mirror.sync().failed == 0 if again == "sync" else _follow(mirror)
    _assert_whole(seen, [1, 2, 3])
    assert seen.files(seen.idea(3)) == {"report.md": "# Report"}


@pytest.mark.parametrize(("method", "call"), [("create_run", 2), ("log_batch", 2), ("set_terminated", 1)])
def test_killed_between_two_notes_of_the_cursor(ledger, mirrors, seen, method, call):
    ledger.verdict(1)
    assert _follow(mirrors())
    for number in (2, 3):
        ledger.verdict(number)
    _killed_in(method, call, lambda: _follow(mirrors()))
    assert _follow(mirrors())
    _assert_whole(seen, [1, 2, 3])


def test_a_rebuild_that_was_killed_is_ended_by_the_next_sync(ledger, mirrors, seen):
    for number in (1, 2, 3):
        ledger.verdict(number)
    mirrors().sync()
    _killed_in("create_run", 4, lambda: mirrors().sync(rebuild=True))
    ledger.verdict(4)
    assert _follow(mirrors())
    _assert_whole(seen, [1, 2, 3, 4])


def _assert_whole(seen, numbers: list[int]) -> None:
    assert seen.numbers() == numbers
    assert {run.info.status for run in seen.runs("tags.`lab.kind` = 'idea'")} == {"FINISHED"}
    assert all(run.data.metrics["accuracy"] == 0.8 for run in seen.runs("tags.`lab.kind` = 'idea'"))
    campaign = seen.one("tags.`lab.kind` = 'campaign'")
    assert [step for step, _ in seen.curve(campaign, "ideas")] == numbers
    assert len(seen.runs("tags.`lab.kind` = 'baseline'")) == 1
