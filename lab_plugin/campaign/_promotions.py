"""From results at a tier to who goes on to the next, and who has reached the end of the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from lab_plugin.campaign._agenda import Agenda
from lab_plugin.campaign._ruling import Ruling
from lab_plugin.campaign._verdicts import VerdictDesk
from lab_plugin.ledger import TierRecord, VerdictRecord
from lab_plugin.promotion import WAITED

Close = Callable[[int, Ruling], Awaitable[VerdictRecord]]


@dataclass(frozen=True)
class Screening:
    """What came of an idea at a tier before the last.

    Attributes:
        goes_on: Whether it goes on to the next tier at once.
        sentence: Where it stands.
        verdict: Its verdict, where it goes no further.
    """

    goes_on: bool = False
    sentence: str = ""
    verdict: VerdictRecord | None = None


class PromotionDesk:
    """Counts results, one at a time, in the order of the ledger.

    Args:
        agenda: The campaign's.
        verdicts: Writes results.
        close: Writes the verdict of an idea that is not promoted.
        tell: Tells the proposer of a result.
        must_end: Says why ideas that wait may not go on when the campaign ends; None while they may.
    """

    def __init__(
        self,
        agenda: Agenda,
        verdicts: VerdictDesk,
        close: Close,
        tell: Callable[[TierRecord], None],
        must_end: Callable[[], str | None],
    ) -> None:
        self._agenda = agenda
        self._verdicts = verdicts
        self._close = close
        self._tell = tell
        self._must_end = must_end
        self._counting = asyncio.Lock()

    async def count(self, record: TierRecord, details: str) -> Screening:
        """Write a result, and see who goes on and who does not.

        Args:
            record: The result.
            details: Tree of what its scoring said.

        Raises:
            RepositoryError: It cannot be written.
        """
        schedule, number = self._agenda.schedule, record.number
        async with self._counting:
            await self._verdicts.screen(record, details)
            goes_on = schedule.result(number, record.value, record.passed)
            standing = schedule.standing(number, record.tier)
            self._tell(record)
            closed = await self._close_dropped()
        self._agenda.counted()
        sentence = f"{record.tier} {record.value:.6g}: {standing}"
        return Screening(goes_on, sentence, closed.get(number))

    async def settle(self) -> bool:
        """See to ideas that wait although nothing else is under way, and to those that can never start.

        Returns:
            Whether there was something to see to.

        Raises:
            RepositoryError: A verdict cannot be written.
        """
        schedule = self._agenda.schedule
        async with self._counting:
            hopeless = await self._close_hopeless()
            moved = hopeless or bool(await self._close_dropped())
            # The last word of a tier is for when no result can come any more.
            over = self._agenda.ending and not (schedule.busy or schedule.held_back)
            if not moved and over and (waiting := schedule.waiting()):
                moved = True
                if (end := self._must_end()) is not None:
                    for number in waiting:
                        await self._close(number, Ruling(verdict="reverted", reason=f"{WAITED}{end}"))
                else:
                    schedule.finish()
                    await self._close_dropped()
        if moved:
            self._agenda.counted()
        return moved

    async def end(self, number: int, ruling: Ruling) -> None:
        """Write the verdict of an idea that is in no slot; nothing where it is in one, or decided, by now.

        Raises:
            RepositoryError: It cannot be written.
        """
        async with self._counting:
            if self._agenda.schedule.is_idle(number):
                await self._close(number, ruling)
        self._agenda.counted()

    async def reject_hopeless(self) -> None:
        """Write the verdicts of ideas that can never start.

        Raises:
            RepositoryError: One cannot be written.
        """
        async with self._counting:
            moved = await self._close_hopeless()
        if moved:
            self._agenda.counted()

    async def _close_hopeless(self) -> bool:
        hopeless = self._agenda.schedule.hopeless()
        for number, reason in hopeless:
            await self._close(number, Ruling(verdict="rejected", reason=reason))
        return bool(hopeless)

    async def _close_dropped(self) -> Mapping[int, VerdictRecord]:
        """Write the verdicts of ideas that can never be promoted any more."""
        closed: dict[int, VerdictRecord] = {}
        for number, standing in self._agenda.schedule.dropped():
            tier = self._agenda.schedule.tier_of(number)
            ruling = Ruling(verdict="reverted", reason=f"not promoted from the tier {tier}: {standing}")
            closed[number] = await self._close(number, ruling)
        return closed
