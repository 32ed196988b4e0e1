"""Workers that vanish, come back late, refuse or answer twice, and campaigns that stop in between."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.remote import Ended, TrialOrder
from tests.campaign.conftest import iterate
from tests.remote.conftest import Workers, travelling, work

IDEAS = 10
_PAUSE = 0.01


class Unreliable(Workers):
    """Does to an order whatever chance says; a campaign stops when it has started a few."""

    chance: random.Random
    stop: Callable[[], None]

    async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
        # What the campaign hears, whether the work is done before, and whether once more after.
        said, before, after = self.chance.choice(
            [
                ("done", True, False),
                ("done", True, True),
                ("lost", False, False),
                ("lost", True, False),
                ("lost", False, True),
                ("refused", False, False),
                ("done", False, False),
            ]
        )
        if before:
            await work(order, self.chance.choice(self.homes), self.told.append)
        if after:
            late = asyncio.create_task(work(order, self.chance.choice(self.homes), self.told.append))
            self._runs[f"late-{len(self._runs)}"] = late
        if self.chance.random() < 0.15:
            self.stop()
        return Ended(said, "one", "by chance")  # type: ignore[arg-type]


async def test_every_idea_has_one_verdict_and_nothing_is_left(
    pooled_lab: Callable[..., Path],
    home: Path,
    workers: Workers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lab_plugin.remote._desk._PAUSE", _PAUSE)
    monkeypatch.setattr("lab_plugin.remote._desk.ATTEMPTS", 100)
    folder, chance, seen = pooled_lab(), random.Random(20), []
    plan = Plan({"iterations": IDEAS})
    for _ in range(60):
        unreliable = Unreliable(workers.homes, online=frozenset({"one", "two"}))
        unreliable.chance = chance
        async with open_campaign(Lab.open(folder), plan, dispatcher=unreliable) as campaign:
            unreliable.stop = lambda stopped=campaign: stopped.stop("by chance")
            seen += [record.number async for record in iterate(campaign)]
            finished = campaign.finished
        await asyncio.gather(*unreliable._runs.values(), return_exceptions=True)
        if finished:
            break
    assert finished
    # `iterate` leaves out the ideas that had their verdict while they waited for a tier.
    assert len(seen) == len(set(seen))
    lab = Lab.open(folder)
    state = lab.ledger.state()
    lab.close()
    assert sorted(state.ideas) == list(range(1, IDEAS + 1))
    decided = {each.number: each.value for each in state.ideas.values() if each.tier == "final"}
    assert len(decided) == IDEAS // 2 and None not in decided.values()
    assert state.champion is not None and state.champion.value == min([12.5, *decided.values()])
    # A worker that comes back after the end leaves a result, which the next campaign removes.
    assert travelling(tmp_path / "repo" / "hub.git") <= {"kits", "scorers", "results"}
