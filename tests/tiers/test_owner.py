"""What the owner does to ideas that are on their way through the tiers."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.queue import Addition, Wishes, WishStore, add_idea, overview
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate, lock
from tests.comparison.toy import Toy, idea
from tests.tiers.labs import opened
from tests.tiers.test_promotion import DECISION, _told, parallel, tiers

DETERMINISTIC = 'name  = "scripted"\norder = "deterministic"\nwindow = 4'


def cancel(lab: Lab, *numbers: int) -> None:
    def edit(wishes: Wishes) -> Wishes:
        return replace(wishes, cancelled=wishes.cancelled | {*numbers})

    WishStore(lab.repository, lab.queue_ref).change(edit)


async def test_an_idea_that_waits_to_be_promoted_is_cancelled(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ top_k = 1 }"))
    toy.plan(idea("best", 9.0), idea("next", 7.0), idea("last", 1.0, "nap=4"))
    await lock(toy.folder)
    with opened(toy.folder) as lab:
        async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 3})) as campaign:
            records: list[VerdictRecord] = []

            async def work() -> None:
                async for record in iterate(campaign):
                    records.append(record)

            task = asyncio.create_task(work())
            while len(lab.ledger.state().results) < 2:
                assert not task.done()
                await asyncio.sleep(0.02)
            while [row.state for row in overview(lab) if row.number != 3] != 2 * ["waits at proxy"]:
                assert not task.done()
                await asyncio.sleep(0.02)
            cancel(lab, 1)
            await task
        # The next best has its place.
        ideas = lab.ledger.state().ideas
        assert {number: record.verdict for number, record in ideas.items()} == {
            1: "inconclusive",
            2: "kept",
            3: "reverted",
        }
        assert ideas[1].reason == "cancelled by the owner while waiting"
        assert (ideas[1].value, ideas[1].tiers) == (None, {"proxy": 19.0})
        assert toy.visits("final") == [2]
        assert lab.repository.refs(lab.open_prefix) == {}
        assert verify_ledger(lab) == []


async def test_what_was_in_the_queue_keeps_the_order_of_results(make_toy: Callable[..., Toy]) -> None:
    told = []
    for jobs in (1, 4):
        toy = make_toy(f"jobs-{jobs}", spread=1.0, decision="confirm = 0", tiers=tiers("{ quantile = 0.5 }"))
        toy.replace('name  = "scripted"', DETERMINISTIC)
        toy.plan(*(idea(f"i{n}", (n * 37) % 11 / 2, f"nap={n % 3 / 10}") for n in range(9)))
        await lock(toy.folder)
        with opened(toy.folder) as lab:
            for gain in ("3.5", "1.5"):
                add_idea(lab, Addition(params={"gain": gain}, priority=int(float(gain))))
            cancel(lab, 2)
        told.append(_told(await parallel(toy, 7, jobs)))
    assert told[0] == told[1]
    assert ("inconclusive", "cancelled by the owner while waiting") in {(one[1], one[2]) for one in told[0]}


async def test_an_owner_who_interferes_with_the_order_stops_nothing(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(spread=1.0, decision="confirm = 0", tiers=tiers("{ quantile = 0.5 }"))
    toy.replace('name  = "scripted"', DETERMINISTIC)
    # The first one never ends, and nothing counts before it.
    toy.plan(idea("endless", 1.0, "nap=600"), *(idea(f"i{n}", float(n)) for n in range(40)))
    await lock(toy.folder)
    with opened(toy.folder) as lab:
        running = asyncio.create_task(parallel(toy, 8, 4))
        while sorted(toy.visits("proxy")) != [1, 2, 3, 4]:
            assert not running.done(), running.result()
            await asyncio.sleep(0.02)
        added = add_idea(lab, Addition(params={"gain": "3.25"}))
        # One that ran and waits for its turn, and the one for which all wait.
        cancel(lab, 3, 1)
        records = await running
        numbers = [record.number for record in records]
        assert len(numbers) == len(set(numbers)) == 8 and added.number in numbers
        reasons = {record.number: record.reason for record in records}
        assert reasons[1] == "cancelled by the owner while executing"
        assert reasons[3].startswith("cancelled by the owner while ")
        assert lab.repository.refs(lab.open_prefix) == {}
