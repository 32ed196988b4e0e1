"""From a number to an idea: taken up where it is open, or made by the proposer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lab_plugin.campaign._agenda import Agenda
from lab_plugin.campaign._ahead import Ahead
from lab_plugin.campaign._control import Cancelled, Control
from lab_plugin.campaign._ideas import IdeaDesk
from lab_plugin.campaign._plan import Interrupted
from lab_plugin.campaign._telling import Telling
from lab_plugin.errors import SpaceExhausted
from lab_plugin.idea import Fault, Idea
from lab_plugin.ledger import Champion


class ProposalDesk:
    """Makes the ideas of one campaign.

    Args:
        ideas: Commits what is proposed.
        agenda: The campaign's.
        telling: Tells the proposer what it may know.
        control: Ends what the owner wishes.
        champion: The champion of the moment.
        campaign: The campaign's number.
        epoch: Of the lock in force.
    """

    def __init__(
        self,
        ideas: IdeaDesk,
        agenda: Agenda,
        telling: Telling,
        control: Control,
        *,
        champion: Callable[[], Champion],
        campaign: int,
        epoch: int,
    ) -> None:
        self._ideas = ideas
        self._agenda = agenda
        self._telling = telling
        self._control = control
        self._champion = champion
        self._campaign = campaign
        self._epoch = epoch
        self._ahead: Ahead[Idea] = Ahead()

    def begin(self, number: int, known: dict[int, Idea]) -> asyncio.Future[Idea]:
        """Start to make an idea, which `take` then awaits; returns what will come of it.

        Args:
            number: The idea's.
            known: Open ideas, by number; a new one is added.
        """
        return self._ahead.begin(number, self._made(number, known))

    async def forget_begun(self) -> None:
        """End what was begun and nobody took."""
        await self._ahead.forget()

    async def take(self, number: int, known: dict[int, Idea]) -> Idea:
        """The idea that is open under a number, or a new one.

        Args:
            number: The idea's.
            known: Open ideas, by number; a new one is added.

        Raises:
            Interrupted: The proposer has nothing left to propose.
        """
        begun = self._ahead.take(number)
        return await (self._made(number, known) if begun is None else begun)

    async def _made(self, number: int, known: dict[int, Idea]) -> Idea:
        if (idea := known.get(number)) is not None:
            return idea
        try:
            idea = await self._control.step(number, "proposing", self._propose(number))
        except Cancelled as wish:
            fault = Fault(verdict="inconclusive", reason=str(wish))
            idea = self._ideas.without_proposal(number, self._campaign, self._epoch, self._champion(), fault)
            self._agenda.asked(number)
        except SpaceExhausted as error:
            self._control.leave(number)
            self._agenda.exhaust(number, error.message)
            raise Interrupted(error.message) from None
        known[number] = idea
        return idea

    async def _propose(self, number: int) -> Idea:
        champion = self._champion()
        if (grant := self._agenda.grant_of(number)) is not None:
            await self._agenda.turn_to_ask(number)
            self._telling.up_to(grant.told)
            champion = grant.champion
        idea = await self._ideas.propose(number, self._campaign, self._epoch, champion)
        self._agenda.asked(number)
        return idea
