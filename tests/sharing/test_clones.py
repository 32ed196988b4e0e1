"""One lab in several clones: whoever writes has what the others wrote, and nothing forks unseen."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LeaseHeld, LedgersDiverged, LockError, RemoteGone
from lab_plugin.lab import Lab
from lab_plugin.queue import WishStore
from lab_plugin.sharing import beside, standing, sync, take_in
from lab_plugin.summary import summary
from tests.campaign.conftest import iterate, lock
from tests.comparison.toy import Toy, batch, idea
from tests.conftest import git
from tests.sharing.conftest import Run, Shared


async def test_a_campaign_goes_on_in_any_clone(shared: Shared, run: Run) -> None:
    await shared.lock()
    assert [record.number for record in await run(shared.toy.folder, 3)] == [1, 2, 3]
    there = shared.clone("there", "--depth", "1")
    assert [record.number for record in await run(there, 2)] == [4, 5]
    refs = shared.refs()
    names = ("best", *(f"ideas/000{number}-idea-{number}" for number in range(1, 6)))
    assert {f"refs/heads/lab/toy/{name}" for name in names} | {
        "refs/lab/toy/ledger",
        "refs/lab/toy/numbers",
    } == {*refs}
    for folder in (shared.toy.folder, there):
        lab = Lab.open(folder)
        await sync(lab)
        found = standing(lab)
        assert found is not None and (found.seen, found.ahead, found.behind) == (True, 0, 0)
        assert {ref: lab.repository.ref(ref) for ref in refs} == refs
        lab.close()
        assert shared.numbers(folder) == [1, 2, 3, 4, 5]


async def test_a_fresh_clone_without_a_ledger_is_told_to_lock(shared: Shared, run: Run) -> None:
    with pytest.raises(LockError, match="not locked yet") as caught:
        await run(shared.clone("there"), 1)
    assert "lab lock" in caught.value.remedy


async def test_a_fresh_clone_says_what_it_lacks(shared: Shared, run: Run) -> None:
    await lock(shared.toy.folder)
    shared.push_settings()
    folder = shared.clone("there")
    lab = Lab.open(folder)
    assert "not in this clone" in summary(lab) and "`lab sync`" in summary(lab)
    await sync(lab)
    assert "the same, when it was last looked at" in summary(lab)
    lab.close()
    # The owner has not committed it.
    with pytest.raises(LockError, match=r"lab\.lock is missing") as caught:
        await run(folder, 1)
    assert "`lab lock`" in caught.value.remedy
    await lock(folder)
    assert len(await run(folder, 1)) == 1


async def test_without_a_remote_nothing_is_shared(
    make_toy: Callable[..., Toy], run: Run, monkeypatch
) -> None:
    from lab_plugin.repository import Remote

    def refuse(*arguments: object) -> None:
        raise AssertionError("it reached for a remote")

    monkeypatch.setattr(Remote, "_call", refuse)
    toy = make_toy()
    git(toy.folder, "remote", "add", "origin", "/nonexistent")
    toy.plan(idea("one", gain=1.0))
    await lock(toy.folder)
    await run(toy.folder, 1)
    lab = Lab.open(toy.folder)
    assert await sync(lab) is None and standing(lab) is None
    assert not any("shared" in ref or "incoming" in ref for ref in lab.repository.refs("refs/"))
    lab.close()


async def test_diverged_ledgers_are_named_and_nothing_is_overwritten(shared: Shared, run: Run) -> None:
    await shared.lock()
    here, there = shared.toy.folder, shared.clone("there")
    alone = shared.bare.with_name("gone.git")
    await run(there, 1)
    # A clone that cannot see the remote decides ideas of its own.
    git(here, "remote", "set-url", "origin", str(alone))
    git(shared.bare.parent, "init", "-q", "--bare", str(alone))
    own = await run(here, 2)
    git(here, "remote", "set-url", "origin", str(shared.bare))
    lab = Lab.open(here)
    before = lab.repository.refs("refs/lab/toy/ledger"), shared.refs()
    with pytest.raises(LedgersDiverged) as caught:
        await run(here, 1)
    assert (lab.repository.refs("refs/lab/toy/ledger"), shared.refs()) == before
    tips = lab.ledger.head(), before[1]["refs/lab/toy/ledger"]
    assert all((tip or "none")[:12] in caught.value.message for tip in tips)
    assert "lab sync --aside" in caught.value.remedy
    with pytest.raises(LedgersDiverged):
        await sync(lab)
    done = await sync(lab, aside=True)
    assert done is not None and done.fetched == 1 and lab.ledger.head() == tips[1]
    assert lab.repository.ref(done.aside) == tips[0]
    # No verdict is lost: the other ref has them, and what they are about.
    kept = git(here, "log", "--first-parent", "--format=%s %P", done.aside)
    assert all(record.commit in kept for record in own)
    lab.close()
    assert [record.number for record in await run(here, 1)] == [2]
    assert shared.numbers(here) == [1, 2]


async def test_a_remote_that_is_gone_stops_a_campaign_before_it_begins(shared: Shared, run: Run) -> None:
    await shared.lock()
    shared.bare.rename(shared.bare.with_name("away"))
    with pytest.raises(RemoteGone):
        await run(shared.toy.folder, 1)
    lab = Lab.open(shared.toy.folder)
    assert lab.repository.ref(lab.lease_ref) is None and not lab.ledger.state().ideas
    lab.close()


async def test_two_campaigns_at_once(shared: Shared, run: Run) -> None:
    await shared.lock()
    there = shared.clone("there")
    async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 2})) as campaign:
        with pytest.raises(LeaseHeld, match="in another clone") as caught:
            await run(there, 1)
        assert campaign.lab.config.lab.name == "toy" and "(lab run)" in caught.value.message
        assert len([record async for record in iterate(campaign)]) == 2
    assert [record.number for record in await run(there, 1)] == [3]


@pytest.mark.parametrize("pace", [0.2, 5.0], ids=["numbers told", "numbers not told"])
async def test_the_queue_is_one_for_all_clones(shared: Shared, monkeypatch, pace: float) -> None:
    monkeypatch.setattr("lab_plugin.sharing._held.LOOK_SECONDS", 0.2)
    # With the longer one, the other clone gives a number out that the campaign has in hand.
    monkeypatch.setattr("lab_plugin.sharing._held.PACE_SECONDS", pace)
    from lab_plugin.queue import Addition, add_idea

    await shared.lock()
    there = shared.clone("there")

    def added(gain: float) -> int:
        lab = Lab.open(there)
        try:
            with beside(lab) as told:
                number = add_idea(lab, Addition(params={"gain": str(gain)}, title=f"gain {gain}")).number
            return told.renumbered.get(number, number)
        finally:
            lab.close()

    lab = Lab.open(there)
    with pytest.raises(LockError):
        add_idea(lab, Addition(params={"gain": "1"}))
    lab.close()
    assert added(50.0) == 1
    async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 5})) as campaign:
        # Of the plan's idea, while the other clone gives a number out.
        gate = shared.toy.shut("idea 2", campaign.lab.config.decision.seed)
        work = asyncio.create_task(_decided(campaign))
        while not gate.exists():
            await asyncio.sleep(0.05)
        await asyncio.to_thread(added, 60.0)
        store = WishStore(campaign.lab.repository, campaign.lab.queue_ref)
        # Under another number, where the campaign had taken that one and not yet said so.
        while not store.read().added - {1}:
            assert not work.done()
            await asyncio.sleep(0.05)
        shared.toy.open("idea 2")
        records = await work
    assert sorted(record.number for record in records) == sorted({*records_numbers(records)})
    assert {record.title: record.value for record in records}["gain 60.0"] == 70.0
    assert {record.title: record.value for record in records}["gain 50.0"] == 60.0
    assert "refs/lab/toy/queue" not in shared.refs()
    assert not [ref for ref in shared.refs() if ref.startswith("refs/lab/toy/open/")]


def records_numbers(records: list) -> list[int]:
    return [record.number for record in records]


async def _decided(campaign) -> list:
    return [record async for record in iterate(campaign)]


async def test_a_number_given_out_twice_is_given_out_again(shared: Shared, run: Run) -> None:
    from lab_plugin.queue import Addition, add_idea

    await shared.lock()
    here, there = shared.toy.folder, shared.clone("there")
    lab = Lab.open(there)
    take_in(lab)
    # Beside the remote: it is published later.
    number = add_idea(lab, Addition(params={"gain": "50"}, title="mine", priority=7)).number
    await run(here, 2)
    assert number == 1
    with beside(lab) as told:
        pass
    assert dict(told.renumbered) == {1: 3}
    assert [name for name in shared.refs() if "/open/" in name] == ["refs/lab/toy/open/0003-mine"]
    assert WishStore(lab.repository, lab.queue_ref).read().added == {3}
    lab.close()
    records = await run(here, 2)
    assert [(record.number, record.title) for record in records] == [(3, "mine"), (4, "idea 4")]


async def test_all_points_of_an_open_idea_travel(shared: Shared, run: Run) -> None:
    await shared.lock()
    shared.toy.plan(batch("three", ("a", 1.0, ""), ("b", 2.0, ""), ("c", 3.0, "")))
    async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 1})) as campaign:
        number = await campaign.next()
        assert number is not None
        await campaign.propose(number)
        campaign.stop("enough")
    assert "refs/lab/toy/points/0001-three" in shared.refs()
    there = shared.clone("there")
    git(there, "gc", "-q", "--prune=now")
    (record,) = await run(there, 1)
    assert (record.number, record.value, len(record.points)) == (1, 13.0, 3)
    assert not [name for name in shared.refs() if "/open/" in name or "/points/" in name]


@pytest.mark.parametrize("folder", ["toy", "there"])
async def test_the_same_lab_has_the_same_name_everywhere(shared: Shared, folder: str) -> None:
    ways = (str(shared.bare), f"file://{shared.bare}")
    tags = set()
    for at, way in enumerate(ways):
        clone = shared.clone(f"{folder}{at}")
        git(clone, "remote", "set-url", "origin", way)
        lab = Lab.open(clone)
        tags.add(lab.tag)
        lab.close()
    assert len(tags) == 1 and Path(folder).name
