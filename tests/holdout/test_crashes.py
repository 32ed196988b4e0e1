"""Killed between a look and its verdict: the look counts, once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.holdout import Looks
from lab_plugin.lab import Lab
from lab_plugin.locking import lock_lab
from tests.holdout.conftest import TABLE, SealedLab, decide_all

PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.campaign import _keeping
from lab_plugin.holdout import _desk
from lab_plugin.lab import Lab

async def die_before(*given, **named):
    os.kill(os.getpid(), signal.SIGKILL)

def die_after(*given):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "before":
    _desk.score_holdout = die_before
else:
    _keeping.KeepDesk.settle = die_after

async def main():
    async with open_campaign(Lab.open(Path(sys.argv[1])), Plan({"iterations": 2})) as campaign:
        number = campaign.next_number()
        idea = await campaign.propose(number)
        runs = await campaign.execute(idea)
        await campaign.decide(idea, runs, await campaign.evaluate(idea, runs))

asyncio.run(main())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_look_is_neither_lost_nor_counted_twice(
    sealed_lab: SealedLab, home: Path, moment: str
) -> None:
    folder = sealed_lab(TABLE + "looks = 2\n", xs=(0.2, 0.4, 0.6))
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    await lock_lab(lab, sandbox)
    await sandbox.close()
    looks = Looks(lab)
    assert (looks.spent(), looks.left()) == (0, 2)
    # Twice: what was noted is found again, and noted no second time.
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(folder), moment], env=os.environ, timeout=120
        )
        assert done.returncode == -signal.SIGKILL
        assert (looks.spent(), looks.left()) == (1, 1)
        assert not lab.ledger.state().ideas
    async with open_campaign(Lab.open(folder), Plan({"iterations": 3})) as campaign:
        records = [record async for record in decide_all(campaign)]
    assert [record.holdout.outcome for record in records if record.holdout] == ["worse", "worse", "unlooked"]
    assert (looks.spent(), looks.left()) == (2, 0)
    assert lab.repository.refs(f"refs/lab/{lab.name}/looks/") == {}
    lab.close()
