"""`kill -9` in the middle of a comparison: no repeat that has a score is run again, and one verdict comes."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.lab import Lab
from tests.campaign.conftest import lock
from tests.comparison.conftest import Run
from tests.comparison.toy import Toy, idea

DECISION = "noise = 1.0\ncalibrate = 1\ntries = 10\nmax_repeats = 6"

CAMPAIGN = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab


async def main():
    async with open_campaign(Lab.open(Path(sys.argv[1])), Plan({"iterations": 2})) as campaign:
        while (number := campaign.next_number()) is not None:
            idea = await campaign.propose(number)
            runs = await campaign.execute(idea)
            await campaign.decide(idea, runs, await campaign.evaluate(idea, runs))

asyncio.run(main())
"""


def killed_at(toy: Toy, name: str, seed: int, plug_in: Path) -> None:
    """Run the campaign in a process of its own, and kill that when a candidate's run waits."""
    waits = toy.shut(name, seed)
    process = subprocess.Popen(
        [sys.executable, "-c", CAMPAIGN, toy.folder, plug_in],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not waits.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()


async def test_a_comparison_goes_on_after_each_kill(
    make_toy: Callable[..., Toy], run: Run, plug_in: Path
) -> None:
    toy = make_toy(spread=1.0, decision=DECISION)
    toy.plan(idea("close", 1.5), idea("worse", -9.0))
    await lock(toy.folder)
    lab = Lab.open(toy.folder)
    store = lab.folder / "repeats.jsonl"
    lab.close()

    killed_at(toy, "close", 3, plug_in)
    assert toy.runs("close") == [0, 1, 2, 3] and toy.runs("base")[2:] == [1, 2]
    # Idea and champion take turns: the last line is the champion's score on seed 2.
    whole = store.read_bytes()
    assert len(whole.splitlines()) == 4
    store.write_bytes(whole[:-20])

    killed_at(toy, "close", 4, plug_in)
    # The first trial is begun again, what waited too, and the champion's score that was cut in half.
    assert Counter(toy.runs("close")) == Counter([0, 0, 1, 2, 3, 3, 4])
    assert Counter(toy.runs("base")[2:]) == Counter([1, 2, 2, 3])
    whole = store.read_bytes()
    assert len(whole.splitlines()) == 6, "what came behind the cut line is whole"
    store.write_bytes(whole + b'null\n[]\n{"digest": "' + os.urandom(8))

    toy.open("close")
    close, worse = await run(toy, 2)
    assert Counter(toy.runs("close")) == Counter([0, 0, 0, 1, 2, 3, 3, 4, 4, 5])
    assert Counter(toy.runs("base")[2:]) == Counter([1, 2, 2, 3, 4, 5])
    assert (close.number, close.verdict, worse.verdict) == (1, "inconclusive", "reverted")
    assert close.comparison is not None and close.comparison.seeds == tuple(range(6))
    values = [toy.value("close", 1.5, seed) for seed in range(6)]
    assert close.comparison.candidate["value"] == pytest.approx(values)
    assert worse.comparison is not None and (close.comparison.place, worse.comparison.place) == (1, 2)
