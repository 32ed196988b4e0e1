"""What an idea goes through at a tier: run, scored, and promoted or decided."""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.campaign import running
from lab_plugin.flows.tasks import compare, decide, evaluate, execute, screen
from lab_plugin.ledger import VerdictRecord

WAITING = "Waiting"
"""State of the run of an idea that waits to be promoted."""


@dataclass(frozen=True)
class Outcome:
    """What came of an idea at a tier.

    Attributes:
        goes_on: Whether it goes on to the next tier at once.
        sentence: Where it stands, while it has no verdict.
        verdict: Its verdict; None while it has none.
    """

    goes_on: bool = False
    sentence: str = ""
    verdict: VerdictRecord | None = None

    @property
    def word(self) -> str:
        """What its run is called when it ends."""
        if self.verdict is not None:
            return self.verdict.verdict.capitalize()
        return "Promoted" if self.goes_on else WAITING

    @property
    def message(self) -> str:
        """Why."""
        return self.verdict.reason if self.verdict is not None else self.sentence


async def stage(lab: str, number: int, iteration_run: str) -> Outcome:
    """Take an idea through the tier at which it is.

    Args:
        lab: Folder of the lab on which this process runs a campaign.
        number: The idea's number.
        iteration_run: Id of the iteration's flow run.
    """
    idea = running(lab).idea(number)
    runs = await execute(lab, idea)
    scores = await evaluate(lab, idea, runs)
    runs, scores = await running(lab).in_turn(idea, runs, scores)
    if running(lab).tier_of(number).promote is not None:
        found = await screen(lab, idea, runs, scores, iteration_run)
        return Outcome(found.goes_on, found.sentence, found.verdict)
    if running(lab).unclear(idea, runs, scores):
        await compare(lab, idea, runs, scores)
    return Outcome(verdict=await decide(lab, idea, runs, scores, iteration_run))
