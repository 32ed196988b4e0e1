"""Remotes that go and come back, or refuse; campaigns that were taken over; and clones that are lost."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LeaseHeld
from lab_plugin.events import Event, Notice, subscribed
from lab_plugin.lab import Lab
from lab_plugin.repository import EXPIRY_SECONDS, Lease, Repository
from lab_plugin.sharing import standing, sync
from lab_plugin.sharing._acquire import Acquisition
from lab_plugin.sharing._clone import Clone
from lab_plugin.sharing._hold import write_beat
from lab_plugin.sharing._sighting import Sighting
from tests.campaign.conftest import iterate
from tests.conftest import git
from tests.sharing.conftest import Run, Shared


@contextmanager
def notices() -> Iterator[list[str]]:
    found: list[str] = []

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            found.append(event.text)

    with subscribed(tell):
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a remote that is gone."""
    for name, value in (("PACE_SECONDS", 0.1), ("LOOK_SECONDS", 0.3), ("FINAL_SECONDS", 1.0)):
        monkeypatch.setattr(f"lab_plugin.sharing._held.{name}", value)


async def test_a_remote_that_goes_and_comes_back(shared: Shared, run: Run) -> None:
    await shared.lock()
    away = shared.bare.with_name("away")
    with notices() as told:
        async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 4})) as campaign:
            verdicts = iterate(campaign)
            await anext(verdicts)
            shared.bare.rename(away)
            await anext(verdicts)
            while not told:
                await asyncio.sleep(0.05)
            await anext(verdicts)
            away.rename(shared.bare)
            assert [record.number async for record in verdicts] == [4]
    assert len(told) == 2 and "The campaign goes on" in told[0] and "again" in told[1]
    assert shared.refs()["refs/lab/toy/ledger"] == git(shared.toy.folder, "rev-parse", "refs/lab/toy/ledger")
    assert [record.number for record in await run(shared.clone("there"), 1)] == [5]


async def test_a_remote_that_stays_away_is_caught_up_with_later(shared: Shared, run: Run) -> None:
    await shared.lock()
    away = shared.bare.with_name("away")
    with notices() as told:
        async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 2})) as campaign:
            shared.bare.rename(away)
            assert len([record async for record in iterate(campaign)]) == 2
    assert "the verdicts of the ideas 1, 2; `lab sync` publishes them" in told[-1]
    lab = Lab.open(shared.toy.folder)
    found = standing(lab)
    assert found is not None and found.ahead == 4 and "lab sync" in found.sentence
    away.rename(shared.bare)
    done = await sync(lab)
    assert done is not None and done.published == 4
    lab.close()
    assert [record.number for record in await run(shared.clone("there"), 1)] == [3]


async def test_a_remote_that_refuses_is_told_in_its_own_words(shared: Shared, run: Run) -> None:
    await shared.lock()
    hook = shared.bare / "hooks" / "pre-receive"
    with notices() as told:
        async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 3})) as campaign:
            verdicts = iterate(campaign)
            hook.parent.mkdir(exist_ok=True)
            hook.write_text("#!/bin/sh\necho the owner says no >&2\nexit 1\n")
            hook.chmod(0o755)
            await anext(verdicts)
            while not told:
                await asyncio.sleep(0.05)
            hook.unlink()
            assert len([record async for record in verdicts]) == 2
    assert "the owner says no" in told[0] and "credential helper" in told[0]
    assert shared.refs()["refs/lab/toy/ledger"] == git(shared.toy.folder, "rev-parse", "refs/lab/toy/ledger")


async def test_a_campaign_whose_clone_is_lost(shared: Shared, run: Run) -> None:
    await shared.lock()
    lost = shared.clone("lost")
    gate = shared.toy.shut("idea 3", 0)
    published = {"refs/heads/lab/toy/ideas/0002-idea-2", "refs/lab/toy/open/0003-idea-3"}
    with start(lost, 6) as process:
        assert process.stdout is not None and process.stdout.readline() == "1\n"
        for _ in range(600):
            refs = shared.refs()
            # The verdict of one idea and the next one may come in two pushes.
            if gate.exists() and published <= refs.keys():
                break
            await asyncio.sleep(0.1)
        assert published <= refs.keys()
        process.kill()
    proposed = refs["refs/lab/toy/open/0003-idea-3"]
    # Not removed file by file: a git that the campaign started may still be writing there.
    lost.rename(lost.with_name("gone"))
    shared.toy.open("idea 3")
    there = shared.clone("there")
    records = await run(there, 6)
    assert [record.number for record in records] == [3, 4, 5, 6] and records[0].commit == proposed
    assert shared.numbers(there) == [1, 2, 3, 4, 5, 6]
    names = [ref for ref in shared.refs() if ref.startswith("refs/lab/toy/")]
    assert sorted(names) == ["refs/lab/toy/ledger", "refs/lab/toy/numbers"]


@contextmanager
def start(folder: Path, iterations: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.sharing.program", str(folder), str(iterations)]
    here = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, cwd=here, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# --- the lease ----------------------------------------------------------------------------------------------


class Clock:
    """A clock of one machine, which nothing but sleeping moves."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.meanwhile: list[object] = []

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        for work in self.meanwhile:
            work()  # type: ignore[operator]


def foreign(shared: Shared, hours: float) -> Lease:
    """Have a process of another machine, whose clock is off by so much, hold the lab at the remote."""
    elsewhere = Repository.bare(shared.bare.with_name("elsewhere.git"))
    lease = Lease.acquire(elsewhere, "refs/lab/toy/lease", "lab run")
    known = json.loads(elsewhere.read_blob(lease.oid))
    known |= {"boot": "another machine", "host": "far-away", "since": known["since"] + 3600 * hours}
    oid = elsewhere.write_blob(json.dumps(known, sort_keys=True).encode())
    beat(elsewhere, shared, oid)
    return lease


def beat(elsewhere: Repository, shared: Shared, lease: str = "") -> None:
    blob = elsewhere.write_blob(json.dumps({"token": "theirs", "beat": os.urandom(4).hex()}).encode())
    refs = [f"+{blob}:refs/lab/toy/heartbeat", *([f"+{lease}:refs/lab/toy/lease"] if lease else [])]
    git(elsewhere.git_dir, "push", "-q", str(shared.bare), *refs)


@pytest.mark.parametrize("hours", [-100.0, 0.0, 100.0])
async def test_a_holder_of_another_machine_is_judged_by_its_heartbeat_alone(
    shared: Shared, hours: float
) -> None:
    lab = Lab.open(shared.toy.folder)
    foreign(shared, hours)
    clock = Clock(at=1000.0)
    sighting = Sighting(lab.folder / "sighting.json", now=clock.now)
    with Lease.acquire(lab.repository, lab.lease_ref, "lab run") as lease, notices() as told:
        acquisition = Acquisition(Clone(lab), lease, sighting, clock.sleep)
        hold = await acquisition.take()
        assert "far-away" in told[0] and "at most 120 s" in told[0]
        assert EXPIRY_SECONDS <= clock.at - 1000.0 <= EXPIRY_SECONDS + 10
        assert shared.refs()["refs/lab/toy/lease"] == lease.oid
        assert shared.refs()["refs/lab/toy/heartbeat"] == hold.beat
    lab.close()


async def test_a_heartbeat_that_moves_is_a_living_holder(shared: Shared) -> None:
    lab = Lab.open(shared.toy.folder)
    foreign(shared, -100.0)
    elsewhere = Repository.bare(shared.bare.with_name("elsewhere.git"))
    clock = Clock(at=50.0)
    sighting = Sighting(lab.folder / "sighting.json", now=clock.now)
    before = shared.refs()["refs/lab/toy/lease"]
    with Lease.acquire(lab.repository, lab.lease_ref, "lab run") as lease:
        clock.meanwhile = [lambda: clock.at > 75.0 and beat(elsewhere, shared)]
        with pytest.raises(LeaseHeld, match="far-away") as caught:
            await Acquisition(Clone(lab), lease, sighting, clock.sleep).take()
    assert "lab run" in caught.value.message and clock.at < 100.0
    assert shared.refs()["refs/lab/toy/lease"] == before
    lab.close()


async def test_what_was_seen_before_need_not_be_waited_for_again(shared: Shared) -> None:
    lab = Lab.open(shared.toy.folder)
    foreign(shared, 0.0)
    clock = Clock(at=50.0)
    refs = shared.refs()
    first = Sighting(lab.folder / "sighting.json", now=clock.now)
    assert first.still(refs["refs/lab/toy/lease"], refs["refs/lab/toy/heartbeat"]) == 0.0
    clock.at = 50.0 + EXPIRY_SECONDS
    with Lease.acquire(lab.repository, lab.lease_ref, "lab run") as lease, notices() as told:
        await Acquisition(Clone(lab), lease, Sighting(first.path, now=clock.now), clock.sleep).take()
    assert told == [] and clock.at == 50.0 + EXPIRY_SECONDS
    # After a restart of the machine its clock begins anew.
    clock.at = 3.0
    assert Sighting(first.path, now=clock.now).still(refs["refs/lab/toy/lease"], "") == 0.0
    lab.close()


async def test_a_campaign_that_was_taken_over_publishes_nothing_more(shared: Shared, run: Run) -> None:
    await shared.lock()
    there = shared.clone("there")
    with pytest.raises(LeaseHeld, match="far-away") as caught, notices():
        async with open_campaign(Lab.open(shared.toy.folder), Plan({"iterations": 50})) as campaign:
            verdicts = iterate(campaign)
            await anext(verdicts)
            while "refs/heads/lab/toy/ideas/0001-idea-1" not in shared.refs():
                await asyncio.sleep(0.05)
            taken = foreign(shared, 0.0)
            before = shared.refs()
            assert len([record async for record in verdicts]) < 49
    assert shared.refs() == before and taken.owner.host == socket.gethostname()
    lab = Lab.open(shared.toy.folder)
    alone = [number for number in lab.ledger.state().ideas if number > 1]
    assert all(str(number) in caught.value.message for number in alone)
    lab.close()
    # The other one gives it back: this clone is ahead, and goes on.
    git(shared.bare, "update-ref", "-d", "refs/lab/toy/lease")
    git(shared.bare, "update-ref", "-d", "refs/lab/toy/heartbeat")
    await run(shared.toy.folder, 1 + len(alone) + 1)
    assert shared.refs()["refs/lab/toy/ledger"] == git(shared.toy.folder, "rev-parse", "refs/lab/toy/ledger")
    lab = Lab.open(there)
    await sync(lab)
    lab.close()
    assert shared.numbers(there) == list(range(1, len(alone) + 3))


def test_no_clock_is_in_a_heartbeat(shared: Shared) -> None:
    lab = Lab.open(shared.toy.folder)
    with Lease.acquire(lab.repository, lab.lease_ref, "lab run") as lease:
        found = json.loads(lab.repository.read_blob(write_beat(Clone(lab), lease.owner)))
        assert {*found} == {"beat", "token"}
    lab.close()
