"""Campaigns without Prefect: the loop itself, on real git repositories and real sandboxes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Campaign, Interrupted, Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.locking import lock_lab
from tests.conftest import git

__all__ = ["Runner", "git", "iterate", "lock", "take"]

Runner = Callable[..., Awaitable[list[VerdictRecord]]]


async def lock(folder: Path, reason: str = "", baseline: str = "") -> None:
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    try:
        await lock_lab(lab, sandbox, reason, baseline)
    finally:
        await sandbox.close()
        lab.close()


async def iterate(campaign: Campaign) -> AsyncIterator[VerdictRecord]:
    while (number := await campaign.next()) is not None:
        try:
            await campaign.propose(number)
            record = await take(campaign, number)
        except Interrupted:
            return
        if record is not None:
            yield record


async def take(campaign: Campaign, number: int) -> VerdictRecord | None:
    """Take an idea through its tiers, as far as it comes now."""
    while True:
        idea = campaign.idea(number)
        runs = await campaign.execute(idea)
        scores = await campaign.evaluate(idea, runs)
        runs, scores = await campaign.in_turn(idea, runs, scores)
        if campaign.tier_of(number).promote is None:
            return await campaign.decide(idea, runs, scores)
        found = await campaign.screen(idea, runs, scores)
        if not found.goes_on:
            return found.verdict


@pytest.fixture
def run(home: Path) -> Runner:
    """Run a campaign to its end and return its verdicts."""

    async def go(folder: Path, iterations: int, fresh: bool = False, **budget: float) -> list[VerdictRecord]:
        plan = Plan({"iterations": iterations, **budget}, fresh)
        async with open_campaign(Lab.open(folder), plan) as campaign:
            return [record async for record in iterate(campaign)]

    return go
