"""Ideas that are ended early, in real campaigns and real sandboxes."""

import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.details import read_curves
from lab_plugin.feedback import Feedback
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.mirroring import make_mirror, open_store
from lab_plugin.report import iteration_report
from lab_plugin.summary import results_document
from lab_plugin.verification import verify_idea, verify_ledger
from tests.campaign.conftest import iterate, lock
from tests.conftest import git
from tests.pruning.conftest import CANDIDATE, PRUNING, rising

MARK = "the candidate came to its end"
BAD = {"curve": rising(0.1), "sleep": 95, "value": 0.1}
GARBAGE = (
    "LAB_CURVE 0 0.2\nLAB_CURVE 0 0.3\nLAB_CURVE one 1\nLAB_CURVE 3\n\xff\xfe\0 LAB_CURVE 1 9\n"
    "LAB_CURVE 99999999999999999999 1\nLAB_CURVE 2 1_0\nLAB_CURVE 1 0.4\n"
    f"LAB_CURVE 5 0.{300 * '0'}\nLAB_CURVE 2 9"
)


async def run(folder: Path, iterations: int, **budget: float) -> list[VerdictRecord]:
    async with open_campaign(Lab.open(folder), Plan({"iterations": iterations, **budget})) as campaign:
        return [record async for record in iterate(campaign)]


def alive(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


async def test_a_bad_idea_is_ended_early(make: Callable[..., Path], home: Path) -> None:
    marker = f"marker{uuid.uuid4().hex}"
    folder = make(
        [
            {"curve": rising(0.5), "value": 0.5},
            {"curve": rising(0.6), "value": 0.6},
            {**BAD, "child": marker},
            {"curve": [*rising(0.7, 3), (3, "nan"), (4, 0.9)], "sleep": 95, "value": 0.7},
            {"raw": GARBAGE, "value": 0.2},
            {**BAD, "child": marker},
            {"flood": 1_000_000, "value": 0.8},
        ]
    )
    await lock(folder)
    records = await run(folder, 7, crashes=1)
    lab = Lab.open(folder)
    assert [record.verdict for record in records] == [
        "kept", "kept", "reverted", "reverted", "reverted", "reverted", "kept",
    ]  # fmt: skip
    good, _, bad, diverged, garbled, twin, flood = records
    assert not alive(marker)

    assert bad.reason.startswith(
        "pruned at step 0 by median: 0.02, its best so far, is worse than the median of 2 curves there (0.11)"
    )
    assert bad.pruned is not None and bad.pruned.model_dump() == {
        "step": 0, "value": 0.02, "pruner": "median",
    }  # fmt: skip
    assert (bad.value, bad.metrics, bad.comparison, bad.champion_value) == (None, {}, None, None)
    assert bad.sandbox and bad.seconds < 95
    assert read_curves(lab.repository, bad.details)[0].points == ((0, 0.02),)
    log = lab.folder / "evidence" / "0003" / "candidate.stdout.log"
    assert "LAB_CURVE 0 0.02" in log.read_text() and MARK not in log.read_text()

    assert diverged.reason == "pruned at step 3: its curve diverged (nan)"
    assert diverged.pruned is not None and (diverged.pruned.step, diverged.pruned.value) == (3, None)
    assert [step for step, _ in read_curves(lab.repository, diverged.details)[0].points] == [0, 1, 2]

    # The half line at the end runs into the next.
    assert garbled.value == 0.2 and garbled.pruned is None
    curve = read_curves(lab.repository, garbled.details)[0]
    assert curve.points == ((0, 0.2), (1, 0.4))
    assert (curve.out_of_order, curve.malformed) == (1, 6)

    assert twin.duplicate_of == 3 and twin.pruned == bad.pruned
    assert twin.reason == f"duplicate of idea 3, not run again; {bad.reason}"
    assert (twin.seconds, twin.details) == (0.0, "")

    seen = read_curves(lab.repository, flood.details)[0]
    assert 250 <= len(seen.points) <= 500 and seen.thinned > 10_000
    assert good.pruned is None and read_curves(lab.repository, good.details)[0].points == tuple(rising(0.5))

    assert verify_ledger(lab) == []
    rerun = await verify_idea(lab, "3")
    assert rerun.ok and "no score to compare with" in rerun.explanation

    told = {outcome.number: outcome for record in records for outcome in Feedback(lab).of(record)}
    assert (told[3].pruned, told[3].curve, told[3].value) == (True, {0: 0.02}, None)
    assert (told[4].pruned, told[4].curve) == (True, {})
    assert (told[6].pruned, told[6].curve) == (True, {0: 0.02})
    assert (told[1].pruned, told[1].curve) == (False, dict(rising(0.5)))
    assert len(told[7].curve) <= 100
    state = lab.ledger.state()
    assert state.lock is not None
    again = {outcome.number: outcome for outcome in Feedback(lab).history(records, state.lock.epoch, 0)}
    assert again == told

    shown = {idea["number"]: idea for idea in results_document(lab)["ideas"]}
    assert shown[3]["pruned"]["step"] == 0 and shown[1]["pruned"] is None
    assert "| pruned | at step 0 by median, curve 0.02 |" in iteration_report(bad, "value", "")

    assert make_mirror(lab).sync().failed == 0
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=open_store(lab).uri)
    experiment = client.search_experiments(filter_string=f"tags.`lab.id` = '{lab.identity}'")[0]
    runs = {
        found.data.tags["lab.idea"]: found
        for found in client.search_runs([experiment.experiment_id], "tags.`lab.kind` = 'idea'")
    }
    history = client.get_metric_history(runs["1"].info.run_id, "curve")
    assert sorted((point.step, point.value) for point in history) == rising(0.5)
    assert (runs["3"].info.status, runs["3"].data.tags["lab.pruned"]) == ("KILLED", "median at step 0")
    assert "value" not in runs["3"].data.metrics
    lab.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab


async def main():
    async with open_campaign(Lab.open(Path(sys.argv[1])), Plan({"iterations": 5})) as campaign:
        while (number := campaign.next_number()) is not None:
            idea = await campaign.propose(number)
            runs = await campaign.execute(idea)
            await campaign.decide(idea, runs, await campaign.evaluate(idea, runs))

asyncio.run(main())
"""


async def test_kill_9_and_resume_keep_what_is_decided(
    make: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    # It does not begin before the campaign was killed.
    gate = tmp_path / "gate"
    worse = {"curve": rising(0.05), "sleep": 95, "value": 0.05, "gate": str(gate)}
    better = {"curve": rising(0.9), "value": 0.9}
    folder = make(
        [{"curve": rising(0.5), "value": 0.5}, {"curve": rising(0.6), "value": 0.6}, BAD, worse, better],
        f'{PRUNING}\n[sandbox]\nkind = "process"\n',
    )
    await lock(folder)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 90
    while "0003-" not in git(folder, "for-each-ref", "refs/heads/lab"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    gate.touch()
    decided = Lab.open(folder).ledger.state().ideas
    assert decided[3].pruned is not None
    await run(folder, 5)
    lab = Lab.open(folder)
    ideas = lab.ledger.state().ideas
    assert [ideas[number].verdict for number in sorted(ideas)] == [
        "kept", "kept", "reverted", "reverted", "kept",
    ]  # fmt: skip
    assert [ideas[number] for number in decided] == [decided[number] for number in decided]
    # By curves that only the ledger had.
    assert ideas[4].reason.startswith("pruned at step 0 by median") and "of 2 curves" in ideas[4].reason
    assert verify_ledger(lab) == []
    lab.close()


async def test_without_pruning_curves_are_kept_and_twins_of_pruned_ideas_run(
    make: Callable[..., Path], home: Path
) -> None:
    slow = {"curve": [*rising(0.1, 2), (2, "inf")], "value": 0.1}
    folder = make([{"curve": rising(0.5), "value": 0.5}, slow, slow], PRUNING.replace("= 2", "= 1"))
    await lock(folder)
    [_, pruned] = await run(folder, 2)
    assert pruned.pruned is not None
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace(PRUNING.replace("= 2", "= 1"), ""))
    [whole] = await run(folder, 1)
    assert (whole.duplicate_of, whole.value, whole.pruned) == (None, 0.1, None)
    lab = Lab.open(folder)
    curve = read_curves(lab.repository, whole.details)[0]
    assert curve.points == tuple(rising(0.1, 2)) and curve.not_finite == 1
    assert verify_ledger(lab) == []
    lab.close()


SPACE = """
[strategy]
name  = "tpe"
batch = 6
seed  = 1

[search_space]
file  = "point.json"
value = { type = "float", low = 0.0, high = 1.0 }
"""


async def test_points_of_a_batch_are_pruned_one_by_one_and_the_optimiser_is_told(
    make: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make([], PRUNING)
    text = (folder / "lab.toml").read_text()
    strategy = text[text.index("[strategy]") : text.index("[pruning]")]
    (folder / "lab.toml").write_text(text.replace(strategy, SPACE))
    curve = "print('LAB_CURVE 3', point['value'], flush=True)\nfor step, value"
    (folder / "candidate.py").write_text(CANDIDATE.replace("for step, value", curve))
    git(folder, "commit", "-qam", "Search")
    await lock(folder)
    told: list[FrozenTrial] = []
    add = optuna.Study.add_trial

    def note(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.params:
            told.append(trial)
        add(study, trial)

    monkeypatch.setattr(optuna.Study, "add_trial", note)
    first, second, _ = await run(folder, 3)
    assert [point.status for point in first.points] == 6 * ["scored"]
    median = statistics.median(point.params["value"] for point in first.points)
    expected = ["pruned" if point.params["value"] < median else "scored" for point in second.points]
    assert set(expected) == {"pruned", "scored"}
    assert [point.status for point in second.points] == expected
    pruned = [point for point in second.points if point.status == "pruned"]
    for point in pruned:
        value = point.params["value"]
        assert (point.value, point.metrics) == (None, {})
        assert point.pruned is not None
        assert (point.pruned.step, point.pruned.value, point.pruned.pruner) == (3, value, "median")
    best = max(point.params["value"] for point in second.points)
    assert second.value == best and second.pruned is None
    lab = Lab.open(folder)
    stored = read_curves(lab.repository, second.details)
    assert {index: entry.points for index, entry in stored.items()} == {
        index: ((3, point.params["value"]),) for index, point in enumerate(second.points)
    }
    outcomes = Feedback(lab).of(second)
    assert [outcome.pruned for outcome in outcomes] == [status == "pruned" for status in expected]
    assert {outcome.verdict for outcome in outcomes if outcome.pruned} == {"reverted"}
    losses = {
        trial.params["value"]: trial.intermediate_values for trial in told if trial.state == TrialState.PRUNED
    }
    wanted = {point.params["value"]: {3: -point.params["value"]} for point in pruned}
    assert wanted.items() <= losses.items()
    assert verify_ledger(lab) == []
    lab.close()


TIERS = """
[tiers.proxy]
seeds   = 1
promote = { threshold = 0.2 }

[tiers.final]
seeds = 1
"""


async def test_curves_of_different_tiers_are_never_mixed(make: Callable[..., Path], home: Path) -> None:
    plan = [
        {"curve": rising(0.5), "value": 0.5},
        {"curve": rising(0.6), "value": 0.6},
        {"curve": rising(0.05), "sleep": 95, "value": 0.9},
        {"curve": rising(0.7), "value": 0.7},
    ]
    folder = make(plan, PRUNING + TIERS)
    # At the last tier curves are ten times as high: beside those, every one of the first tier is bad.
    scaled = 'value * (10 if os.environ["LAB_TIER"] == "final" else 1), flush'
    (folder / "candidate.py").write_text(CANDIDATE.replace("value, flush", scaled, 1))
    git(folder, "commit", "-qam", "Scale")
    await lock(folder)
    await run(folder, 2)
    # From here on by what the ledger has of each tier.
    pruned, good = await run(folder, 2)
    assert (pruned.tier, pruned.verdict) == ("proxy", "reverted")
    assert "of 2 curves there (0.11)" in pruned.reason
    assert (good.tier, good.verdict) == ("final", "kept")
    lab = Lab.open(folder)
    assert read_curves(lab.repository, good.details)[0].points[0] == (0, 1.4)
    assert [(result.number, result.tier) for result in lab.ledger.state().results] == [
        (1, "proxy"), (2, "proxy"), (4, "proxy"),
    ]  # fmt: skip
    assert verify_ledger(lab) == []
    lab.close()
