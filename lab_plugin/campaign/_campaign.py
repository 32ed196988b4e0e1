"""One campaign: what is left to do, who is next, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Mapping

from lab_plugin import events
from lab_plugin.campaign._means import Means
from lab_plugin.campaign._plan import Interrupted
from lab_plugin.campaign._ruling import Ruling
from lab_plugin.campaign._steps import Steps
from lab_plugin.confirmation import confirm_champion, confirmation_sentence, needs_confirmation
from lab_plugin.errors import LabError, SandboxUnavailable
from lab_plugin.guidance import Guide, GuideDesk, GuideGone
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import OpenCampaign, VerdictRecord
from lab_plugin.queue import ASKING, Wishes


class Campaign(Steps):
    """A campaign that this process runs: who is next, and when it is over. Made by `open_campaign`.

    Args:
        lab: The lab.
        view: The campaign by the ledger.
        resumed: It was open before this process.
        means: What it works with.

    Attributes:
        resumed: It was open before this process.
    """

    def __init__(self, lab: Lab, view: OpenCampaign, means: Means, *, resumed: bool) -> None:
        super().__init__(lab, view, means)
        self.resumed = resumed
        self._only_reruns = False
        self._stop_reason = ""
        self._closes = True

    def guided_by(self, guide: Guide | None) -> None:
        """Have somebody asked about each proposal before it runs; None for nobody."""
        self._guidance = GuideDesk(self.lab, guide) if guide is not None else None

    @property
    def stop_reason(self) -> str:
        """Why no further iteration starts; empty while one may."""
        return self._stop_reason or self._agenda.ending

    @property
    def finished(self) -> bool:
        """Whether the budget is spent; otherwise `lab run` goes on with the campaign."""
        return self._closes and not self._stop_reason and self._agenda.finished

    @property
    def view(self) -> OpenCampaign:
        """The campaign as the ledger has it now."""
        return self.spending.view

    async def next(self) -> int | None:
        """The number of the idea that is next, as soon as one can start; None when the campaign is over.

        Ideas that wait for a tier go on, or have their verdict, when nothing else is to come.

        Raises:
            RepositoryError: A verdict cannot be written.
        """
        while not self._stop_reason:
            change = self._agenda.change()
            if self.control.holds():
                await change.wait()
                continue
            await self._promotions.reject_hopeless()
            if (number := self.next_number()) is not None:
                return number
            if await self._promotions.settle():
                continue
            if self._agenda.finished:
                return None
            await change.wait()
        return None

    def next_number(self) -> int | None:
        """The number of the idea that is next; None when none can start now.

        The budget is checked here, before anything is spent; ideas in flight count as spent.
        """
        number = None if self._stop_reason else self._agenda.next_number()
        if number is not None:
            self._visits[number] = time.monotonic()
            self.spending.busy()
        return number

    async def ask(self, number: int) -> Idea:
        """Wait for what the owner says to a proposal, where the campaign is guided.

        Returns:
            The idea to go on with.

        Raises:
            Interrupted: The campaign was stopped, or nobody can be asked any more.
            RepositoryError: What was answered cannot be committed.
        """
        idea, guidance = self._open[number], self._guidance
        if guidance is None or not guidance.asks_about(idea):
            return idea
        events.publish(events.IdeaWaits(number, idea.title, guidance.where(number)))
        began = time.monotonic()
        try:
            with self.spending.waiting(lambda: len(self._agenda.schedule.in_flight)):
                after = await self._until_cancelled(idea, ASKING, guidance.settle(idea))
        except GuideGone as gone:
            self.stop(str(gone))
            raise Interrupted(f"{gone}; the idea stays open, `lab run --guided` asks again") from None
        # An owner's time to think is none of the iteration's.
        self._visits[number] = self._visits.get(number, began) + time.monotonic() - began
        self._open[number] = after or idea
        return self._open[number]

    def rerun(self, ideas: Mapping[int, int]) -> None:
        """Go on with the comparisons of ideas, and make no new ones.

        Args:
            ideas: Idea -> repeats in all. One that a dead process had taken up goes on as that left it.
        """
        known = self.lab.ledger.state().ideas
        waiting = {idea.continues: idea for idea in self._open.values() if idea.continues}
        chosen: dict[int, Idea] = {}
        for number, repeats in ideas.items():
            idea = waiting.get(number)
            if idea is None:
                idea = self._ideas.rerun(self._numbers.take(), self.number, known[number], repeats)
            chosen[idea.number] = idea
        # A campaign that was open before goes on with its own ideas another time.
        self._closes, self._only_reruns = not self.resumed, True
        for number in self._open.keys() - chosen.keys():
            self._agenda.schedule.withdraw(number)
        self._open = chosen
        for number in chosen:
            self._agenda.schedule.offer(number, tier=len(self._screening))
        self._agenda.only_open("all reruns are under way or decided")

    def stop(self, reason: str) -> None:
        """End now: running trials are killed, their ideas stay open, and `lab run` goes on with them."""
        if not self.control.stop_reason and not self._agenda.finished:
            self._stop_reason = reason
        self.control.stop(reason)
        self._agenda.touch()

    async def follow(self, wishes: Wishes) -> None:
        """Do what the owner wishes of ideas that are in no slot: called several times a second.

        Args:
            wishes: As they are now.

        Raises:
            RepositoryError: A verdict cannot be written.
        """
        schedule = self._agenda.schedule
        self._take_in(wishes)
        for entry in tuple(schedule):
            number, idea = entry.number, self._open.get(entry.number)
            priority = wishes.priorities.get(number, idea.priority if idea else 0)
            if (priority, number in wishes.held) != (entry.priority, entry.held):
                schedule.change(number, priority=priority, held=number in wishes.held)
            if entry.phase != "under way" and number in self._open and (why := self.control.reason(number)):
                # Not to be taken meanwhile.
                schedule.change(number, held=True)
                await self._promotions.end(number, Ruling(verdict="inconclusive", reason=why))
        await self._promotions.reject_hopeless()

    def wake(self) -> None:
        """See again what may start now."""
        self._agenda.touch()

    def _take_in(self, wishes: Wishes) -> None:
        """Offer what was put into the queue since."""
        new = {number for number in wishes.added if number not in self._agenda.schedule}
        new -= self.lab.ledger.state().ideas.keys()
        if not new or self._only_reruns:
            return
        for idea in self._ideas.left_open(self.number, self._epoch)[0]:
            if idea.number in new:
                self._open[idea.number] = idea
                self._agenda.schedule.offer(idea.number, priority=idea.priority, after=idea.conditions)

    def newest(self, count: int) -> list[VerdictRecord]:
        """The newest verdicts of this campaign, oldest first."""
        records = list(self.lab.ledger.state().ideas.values())[-count:]
        return [record for record in records if record.campaign == self.number]

    @property
    def to_confirm(self) -> bool:
        """Whether the campaign ends with a champion that has yet to meet the baseline on fresh seeds."""
        wished = self.lab.config.decision.confirm > 0
        return self.finished and wished and needs_confirmation(self.lab.ledger.state())

    async def confirm(self) -> str:
        """Have the champion meet the baseline on fresh seeds; returns what came of it, as a sentence.

        Raises:
            SandboxUnavailable: The sandbox broke; may be called again.
        """
        scorer, repeats = self.lab.config.scorer, self.lab.config.decision.confirm
        work = confirm_champion(self.lab, self._lease, self._trials.repeat, repeats, self.number)
        try:
            record = await self._unless_stopped(work)
        except (LabError, Interrupted) as error:
            if isinstance(error, SandboxUnavailable):
                raise
            sentence = f"not confirmed: {error}; `lab confirm` does it later"
        else:
            sentence = confirmation_sentence(record, scorer.metric, scorer.goal)
        events.publish(events.ChampionConfirmed(sentence))
        return sentence
