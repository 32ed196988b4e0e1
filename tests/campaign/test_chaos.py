"""Trials that are cancelled and killed at random times, with four slots: every idea ends once."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from lab_plugin.campaign import Campaign, Plan, open_campaign
from lab_plugin.errors import SandboxUnavailable
from lab_plugin.lab import Lab
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import lock, take

IDEAS = 200
SLOTS = 4
PROGRAMS = ("candidate.py", "score.py")


def programs() -> list[psutil.Process]:
    """All processes of trials that this process started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(word.endswith(PROGRAMS) for word in process.cmdline()):
                found.append(process)
    return found


async def disturb(campaign: Campaign, luck: random.Random, done: Counter[str]) -> None:
    """Cancel and kill, and count it."""
    while True:
        await asyncio.sleep(luck.random() * 0.05)
        if luck.random() < 0.5:
            decided = campaign.lab.ledger.state().ideas
            under_way = [n for n in range(1, IDEAS + 1) if n not in decided][:SLOTS]
            if under_way:
                campaign.control.cancel(luck.choice(under_way))
                done["cancelled"] += 1
        elif victims := await asyncio.to_thread(programs):
            with suppress(ProcessLookupError):
                os.kill(luck.choice(victims).pid, 9)
                done["killed"] += 1


async def test_every_idea_ends_once_whatever_is_cancelled_and_killed(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab(replace={'name = "tpe"': 'name = "random"'})
    await lock(folder)
    lab = Lab.open(folder)
    async with open_campaign(lab, Plan({"iterations": IDEAS, "crashes": 10**6}, jobs=SLOTS)) as campaign:

        async def slot() -> None:
            while (number := await campaign.next()) is not None:
                campaign.begin(number)
                await campaign.propose(number)
                while number not in campaign.lab.ledger.state().ideas:
                    # A sandbox that is killed from outside is not the candidate's fault: it is run again.
                    with suppress(SandboxUnavailable):
                        await take(campaign, number)

        done: Counter[str] = Counter()
        chaos = asyncio.create_task(disturb(campaign, random.Random(7), done))
        async with asyncio.TaskGroup() as slots:
            for _ in range(SLOTS):
                slots.create_task(slot())
        chaos.cancel()
        assert campaign.finished
    assert await asyncio.to_thread(programs) == []

    lab = Lab.open(folder)
    state = lab.ledger.state()
    records = list(state.ideas.values())
    assert verify_ledger(lab) == []
    assert sorted(record.number for record in records) == list(range(1, IDEAS + 1))
    assert lab.repository.refs(lab.open_prefix) == {}
    words = Counter(record.verdict for record in records)
    cancelled = [record for record in records if record.reason.startswith("cancelled by the owner while")]
    assert len(cancelled) == words["inconclusive"] > 3
    assert done["killed"] > 3
    assert all(record.value is None for record in cancelled)
    # The champion is the best of all that came to its end.
    lock_value = state.lock.value if state.lock else 0.0
    values = [record.value for record in records if record.value is not None]
    assert state.champion is not None
    assert state.champion.value == min([lock_value, *values])
    assert lab.repository.ref(lab.best_ref) == state.champion.commit
    assert list((lab.folder / "trials").glob("*")) == []
    lab.close()
