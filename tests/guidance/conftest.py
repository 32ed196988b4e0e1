"""Guided campaigns whose owner answers from a list."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Interrupted, open_campaign
from lab_plugin.campaign import Plan as Plan
from lab_plugin.guidance import Answer, GuideGone, Proposal
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from tests.campaign.conftest import lock, take

Say = Answer | Callable[[Proposal], Answer]


class Owner:
    """Answers in turn, and remembers what was asked; with no answer left, the owner is gone."""

    def __init__(self, *answers: Say) -> None:
        self._answers = list(answers)
        self.asked: list[Proposal] = []

    def where(self, number: int) -> str:
        return f"idea {number}"

    async def ask(self, proposal: Proposal) -> Answer:
        self.asked.append(proposal)
        if not self._answers:
            raise GuideGone("nobody is there")
        answer = self._answers.pop(0)
        return answer if isinstance(answer, Answer) else answer(proposal)


@pytest.fixture
async def locked(home: Path, make_lab: Callable[..., Path]) -> Path:
    folder = make_lab()
    await lock(folder)
    return folder


async def guided(folder: Path, iterations: int, owner: Owner | None) -> list[VerdictRecord]:
    """Run a campaign with an owner until it ends, or until the owner is gone."""
    records = []
    async with open_campaign(Lab.open(folder), Plan({"iterations": iterations}), owner) as campaign:
        while (number := await campaign.next()) is not None:
            try:
                campaign.begin(number)
                await campaign.propose(number)
                await campaign.ask(number)
                record = await take(campaign, number)
            except Interrupted:
                break
            assert record is not None
            records.append(record)
    return records
