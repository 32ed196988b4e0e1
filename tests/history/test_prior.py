"""What is imported helps proposers, and counts for nothing."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LeaseHeld
from lab_plugin.importing import Wish, import_history, priors
from lab_plugin.lab import Lab
from lab_plugin.ledger import OpenCampaign
from lab_plugin.proposers import Prior, Request, Setup, tpe_proposer
from lab_plugin.repository import EMPTY_TREE, Blob, Lease
from lab_plugin.summary import results_document
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate
from tests.history.conftest import Import


def _write(path: Path, count: int, offset: float = -100.0) -> Path:
    rows = [{"value": offset + n, "x": n / 1000, "y": 0.5, "title": f"t{n}"} for n in range(count)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


async def test_a_campaign_starts_from_it_and_nothing_is_decided_by_it(
    tmp_path: Path, take: Import, folder: Path, lab: Lab
) -> None:
    before = results_document(lab)
    take(_write(tmp_path / "r.jsonl", 20))
    assert results_document(lab) == before
    assert verify_ledger(lab) == []
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:
        [record] = [record async for record in iterate(campaign)]
    # The best of it, scored by this lab's scorer, and compared with this lab's champion.
    assert record.params == {"x": 0.0, "y": 0.5}
    assert "imported" in record.hypothesis
    assert record.value is not None and record.value > 0
    assert record.champion_value == before["champion"]["value"]
    assert verify_ledger(lab) == []
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1}, fresh=True)) as campaign:
        [fresh] = [record async for record in iterate(campaign)]
    assert "imported" not in fresh.hypothesis


def test_only_comparable_values_of_this_epoch_are_told_as_such(
    tmp_path: Path, take: Import, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(_write(tmp_path / "r.jsonl", 2))
    path = tmp_path / "o.jsonl"
    path.write_text('{"rmse": 1, "title": "other", "params": {"x": "0.5", "y": "1e0"}}')
    take(path, metric="rmse")
    view = OpenCampaign(number=1, strategy="tpe")
    told = priors(lab, view)
    assert [(one.comparable, one.metric) for one in told] == [(True, "value")] * 2 + [(False, "rmse")]
    assert told[2].params == {"x": 0.5, "y": 1.0}
    assert priors(lab, OpenCampaign(number=1, strategy="tpe", fresh=True)) == ()


def _proposer(prior: tuple[Prior, ...], goal: str = "minimize"):  # type: ignore[no-untyped-def]
    from lab_plugin.config import FloatParameter

    space = {"x": FloatParameter(type="float", low=0.0, high=1.0)}
    return tpe_proposer(Setup(settings={}, space=space, goal=goal, sandbox=None, prior=prior))  # type: ignore[arg-type]


def _prior(x: float, value: float | None, comparable: bool = True) -> Prior:
    return Prior(source="s", metric="m", goal="minimize", comparable=comparable, value=value, params={"x": x})


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
async def test_the_best_are_tried_first_and_the_estimator_stays_near_them(goal: str, tmp_path: Path) -> None:
    sign = 1 if goal == "minimize" else -1
    prior = tuple(_prior(n / 100, sign * abs(n / 100 - 0.7)) for n in range(100))
    proposer = _proposer(prior, goal)
    request = Request(lab="l", number=1, parent="", workspace=None, destination=tmp_path, batch=3)
    first = await proposer.ask(request)
    assert {point["x"] for point in first.points} == {0.7, 0.69, 0.71}
    later = [
        (
            await proposer.ask(Request(lab="l", number=n, parent="", workspace=None, destination=tmp_path))
        ).points[0]["x"]
        for n in range(2, 12)
    ]
    assert sum(abs(x - 0.7) < 0.2 for x in later) >= 8


async def test_what_is_not_comparable_changes_nothing_and_it_fades_with_own_scores(tmp_path: Path) -> None:
    from lab_plugin.proposers import Outcome

    misleading = tuple(_prior(0.1 + n / 1000, -1e9 + n) for n in range(60))
    untold = tuple(_prior(n / 100, n, comparable=False) for n in range(60))
    plain, led, noted = _proposer(()), _proposer(misleading), _proposer(untold)
    for number in range(1, 61):
        x = number / 61
        for proposer in (plain, led, noted):
            proposer.tell(Outcome(number=number, params={"x": x}, value=abs(x - 0.8)))
    # What was imported first is tried once, whatever it promises; then it is forgotten.
    for number, prior in enumerate(misleading[:3], 100):
        led.tell(Outcome(number=number, params=prior.params, value=9.0))
        plain.tell(Outcome(number=number, params=prior.params, value=9.0))
        noted.tell(Outcome(number=number, params=prior.params, value=9.0))
    request = Request(lab="l", number=200, parent="", workspace=None, destination=tmp_path)
    answers = [(await proposer.ask(request)).points for proposer in (plain, led, noted)]
    assert answers[0] == answers[1] == answers[2]


def test_it_waits_for_nobody(tmp_path: Path, take: Import, lab: Lab) -> None:
    with Lease.acquire(lab.repository, lab.lease_ref, "lab run"), pytest.raises(LeaseHeld):
        take(_write(tmp_path / "r.jsonl", 1))
    assert take(tmp_path / "r.jsonl").new == 1


def test_rows_that_are_not_what_was_imported_are_told(tmp_path: Path, take: Import, lab: Lab) -> None:
    take(_write(tmp_path / "r.jsonl", 3))
    record = lab.ledger.state().imports[0]
    data = lab.repository.read_file(record.tree, "rows.jsonl").replace(b"-100.0", b"-999.0")
    tree = lab.repository.write_tree({"rows.jsonl": Blob(data=data)})
    for change, said in (
        ({"tree": tree}, "another digest"),
        ({"rows": 4}, "counts"),
        ({"epoch": 7}, "another epoch"),
        ({"comparable": True, "goal": "maximize"}, "another goal"),
        ({"tree": EMPTY_TREE}, "not in their place"),
    ):
        assert lab.ledger.state().imports == (record,)
        head = lab.ledger.head()
        forged = record.model_copy(update=change)
        lab.ledger.append(forged, candidate=None, tree=forged.tree)
        assert any(said in problem for problem in verify_ledger(lab)), change
        subprocess.run(["git", "update-ref", lab.ledger.ref, head or ""], cwd=lab.repository.top, check=True)
    assert verify_ledger(lab) == []


_PROGRAM = """
import sys
from pathlib import Path
from lab_plugin.importing import Wish, import_history
from lab_plugin.lab import Lab
print("ready", flush=True)
import_history(Lab.open(Path(sys.argv[1])), Wish(where=sys.argv[2]))
print("done", flush=True)
"""


def test_an_import_that_is_killed_is_whole_or_not_at_all(tmp_path: Path, folder: Path, lab: Lab) -> None:
    source = _write(tmp_path / "r.jsonl", 1000)
    command = [sys.executable, "-c", _PROGRAM, str(folder), str(source)]
    for pause in (0.1, 0.6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert [record.rows for record in lab.ledger.state().imports] in ([], [1000])
        assert verify_ledger(lab) == []
    report = import_history(lab, Wish(where=str(source)))
    assert report.new in (0, 1000)
    assert [record.rows for record in lab.ledger.state().imports] == [1000]
