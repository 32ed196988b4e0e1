"""What the owner wishes while a campaign runs, as another process sees and changes it."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab_plugin.campaign import Campaign, Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.queue import Addition, Phases, Wishes, WishStore, add_idea, overview
from tests.campaign.conftest import git, iterate, lock

# Where x says so, a program goes on for ever; scores hang on the seed a little.
CANDIDATE = """
import json, os, pathlib, time
point = json.loads(pathlib.Path("point.json").read_text())
seed = int(os.environ["LAB_SEED"])
if point["x"] == 0.25 or (point["x"] == -1.49 and seed != 0):
    time.sleep(600)
point["y"] += seed % 13 / (-100 if point["x"] == -1.49 else 100)
pathlib.Path(os.environ["LAB_OUTPUTS"], "point.json").write_text(json.dumps(point))
"""
SLEEP = 'x, y = float(point["x"]), float(point["y"])\nif x == 0.5:\n    import time\n    time.sleep(600)\n'


@pytest.fixture
async def lab(home: Path, make_lab: Callable[..., Path]) -> Lab:
    strategy = 'name = "command"\ncommand = ["python", "-c", "import time; time.sleep(600)"]\ntimeout = "10m"'
    folder = make_lab(replace={'timeout = "10s"': 'timeout = "10m"', 'name = "tpe"': strategy})
    (folder / "candidate.py").write_text(CANDIDATE)
    scorer = folder / "scorer" / "score.py"
    line = 'x, y = float(point["x"]), float(point["y"])\n'
    assert line in scorer.read_text()
    scorer.write_text(scorer.read_text().replace(line, SLEEP))
    git(folder, "commit", "-qam", "Slow where it is told")
    await lock(folder)
    return Lab.open(folder)


async def until(is_so: Callable[[], bool], task: asyncio.Task[None]) -> None:
    for _ in range(6_000):
        if is_so():
            return
        assert not task.done(), task.result()
        await asyncio.sleep(0.02)
    raise AssertionError(f"it never came so far: {task}")


def wish(lab: Lab, edit: Callable[[Wishes], Wishes]) -> None:
    WishStore(lab.repository, lab.queue_ref).change(edit)


async def test_an_idea_is_cancelled_in_each_phase(lab: Lab) -> None:
    # The third is too near to the baseline to be told from it at once.
    for x, y in (("0.25", "1"), ("0.5", "1"), ("-1.49", "2"), ("1.0", "1")):
        add_idea(lab, Addition(params={"x": x, "y": y}))
    records: list[VerdictRecord] = []
    phases = Phases(lab.folder)

    async def run() -> None:
        async with open_campaign(Lab.open(lab.config.folder), Plan({"iterations": 5})) as campaign:
            async for record in campaign_steps(campaign):
                records.append(record)

    # The last of those that wait is cancelled before anything runs.
    wish(lab, lambda wishes: replace(wishes, cancelled=frozenset({4})))
    task = asyncio.create_task(run())
    for number, phase in ((1, "executing"), (2, "evaluating"), (3, "comparing"), (5, "proposing")):
        await until(lambda number=number, phase=phase: phases.read().get(number) == phase, task)
        assert next(row.state for row in overview(lab) if row.number == number) == phase
        # Let its program begin.
        await asyncio.sleep(0.3)
        wish(lab, lambda wishes, number=number: replace(wishes, cancelled=wishes.cancelled | {number}))
    await task
    assert {record.number for record in records} == {1, 2, 3, 5}
    records = list(lab.ledger.state().ideas.values())
    reasons = {record.number: record.reason for record in records}
    doing = {1: "executing", 2: "evaluating", 3: "comparing", 4: "waiting", 5: "proposing"}
    assert reasons == {number: f"cancelled by the owner while {what}" for number, what in doing.items()}
    for record in records:
        assert (record.verdict, record.value, record.metrics, record.comparison) == (
            "inconclusive",
            None,
            {},
            None,
        )
    assert lab.repository.refs(lab.open_prefix) == {} and overview(lab) == []
    assert WishStore(lab.repository, lab.queue_ref).version == ""
    assert not [name for name in os.listdir(lab.folder / "trials")]
    assert lab.ledger.state().champion.number == 0
    # What was cancelled says nothing of its tree: it may be tried again.
    again = add_idea(lab, Addition(params={"x": "1.0", "y": "1"}))
    async with open_campaign(Lab.open(lab.config.folder), Plan({"iterations": 1})) as campaign:
        (record,) = [record async for record in iterate(campaign)]
    assert (record.number, record.value is None, record.duplicate_of) == (again.number, False, None)
    lab.close()


async def campaign_steps(campaign: Campaign):
    """As `flows/iteration.py` goes through them."""
    while (number := await campaign.next()) is not None:
        idea = await campaign.propose(number)
        runs = await campaign.execute(idea)
        scores = await campaign.evaluate(idea, runs)
        if campaign.unclear(idea, runs, scores):
            await campaign.compare(idea, runs, scores)
        yield await campaign.decide(idea, runs, scores)


async def test_a_pause_lets_programs_end_and_begins_none(lab: Lab) -> None:
    add_idea(lab, Addition(params={"x": "1", "y": "1"}))
    wish(lab, lambda wishes: replace(wishes, paused=True))
    records: list[VerdictRecord] = []
    phases = Phases(lab.folder)

    async def run() -> None:
        async with open_campaign(Lab.open(lab.config.folder), Plan({"iterations": 3})) as campaign:
            async for record in campaign_steps(campaign):
                records.append(record)

    task = asyncio.create_task(run())
    await asyncio.sleep(2)
    assert not phases.read() and [row.state for row in overview(lab)] == ["paused"]
    # One idea is held, and of the other all may go on.
    held = add_idea(lab, Addition(params={"x": "0.9", "y": "1"}, priority=5))
    wish(lab, lambda wishes: replace(wishes, held=frozenset({held.number})))
    await asyncio.sleep(1)
    wish(lab, lambda wishes: replace(wishes, paused=False))
    await until(lambda: any(record.number == 1 for record in records), task)
    # A new idea is made rather than the held one taken up.
    await until(lambda: "proposing" in phases.read().values(), task)
    assert [record.number for record in records] == [1] and held.number not in phases.read()
    assert next(row.state for row in overview(lab) if row.number == held.number) == "held"
    (number,) = phases.read()
    wish(lab, lambda wishes: replace(wishes, cancelled=frozenset({number}), held=frozenset()))
    await task
    assert [record.number for record in records] == [1, number, held.number]
    assert records[2].value is not None
    lab.close()


async def test_wishes_that_cannot_be_read_change_nothing(lab: Lab) -> None:
    add_idea(lab, Addition(params={"x": "1", "y": "1"}))
    git(lab.config.folder, "update-ref", lab.queue_ref, lab.repository.write_blob(b"nonsense"))
    async with open_campaign(Lab.open(lab.config.folder), Plan({"iterations": 1})) as campaign:
        assert "git update-ref -d" in campaign.control.fault
        (record,) = [record async for record in iterate(campaign)]
    assert record.number == 1 and record.value is not None
    lab.close()


async def test_priorities_and_dependencies_between_ideas(lab: Lab) -> None:
    better = add_idea(lab, Addition(params={"x": "1", "y": "1"}))
    worse = add_idea(lab, Addition(params={"x": "-2", "y": "-1"}, only_if_kept=(better.number,), priority=9))
    never = add_idea(lab, Addition(params={"x": "0", "y": "0"}, only_if_kept=(worse.number,)))
    after = add_idea(lab, Addition(params={"x": "0.1", "y": "0"}, after=(never.number,)))
    first = add_idea(lab, Addition(params={"x": "0.2", "y": "0"}, priority=-5))
    wish(lab, lambda wishes: replace(wishes, priorities={first.number: 7}))
    circle = [add_idea(lab, Addition(params={"x": "0.3", "y": str(n)})) for n in (0, 1)]
    for idea, other in zip(circle, reversed(circle), strict=True):
        # Only by hand can two wait for each other.
        twisted = idea.model_copy(update={"after": (other.number,)})
        made = lab.repository.commit(idea.points[0].tree, [idea.parent], twisted.message(lab.name))
        git(lab.config.folder, "update-ref", lab.open_prefix + idea.name, made)
    async with open_campaign(Lab.open(lab.config.folder), Plan({"iterations": 7})) as campaign:
        async for _ in campaign_steps(campaign):
            pass
    state = lab.ledger.state()
    ran = [number for number, record in state.ideas.items() if record.sandbox]
    assert ran == [first.number, better.number, worse.number, after.number]
    verdicts = {number: record.verdict for number, record in state.ideas.items()}
    assert (verdicts[better.number], verdicts[worse.number], verdicts[never.number]) == (
        "kept",
        "reverted",
        "rejected",
    )
    assert state.ideas[never.number].reason == f"only if idea {worse.number} is kept, and it was reverted"
    assert [verdicts[idea.number] for idea in circle] == ["rejected", "rejected"]
    assert "which waits for this one" in state.ideas[circle[0].number].reason
    assert len(verdicts) == 7 and lab.repository.refs(lab.open_prefix) == {}
    lab.close()


async def test_an_idea_that_is_added_meanwhile_is_taken_up(lab: Lab) -> None:
    async with open_campaign(Lab.open(lab.config.folder), Plan({"iterations": 2})) as campaign:
        number = campaign.next_number()
        assert number is not None
        proposing = asyncio.create_task(campaign.propose(number))
        added = add_idea(lab, Addition(params={"x": "1", "y": "1"}))
        assert added.number > number
        await until(lambda: Phases(lab.folder).read() == {number: "proposing"}, proposing)
        wish(lab, lambda wishes: replace(wishes, cancelled=frozenset({number})))
        idea = await proposing
        await campaign.decide(idea, (), ())
        records = [record async for record in campaign_steps(campaign)]
    assert [record.number for record in records] == [added.number] and records[0].value is not None
    lab.close()
