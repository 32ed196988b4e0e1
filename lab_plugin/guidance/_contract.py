"""Who is asked about a proposal, and what may be answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lab_plugin.guidance._proposal import Proposal

Choice = Literal["approve", "edit", "skip"]


@dataclass(frozen=True)
class Answer:
    """What the owner says to a proposal.

    Attributes:
        choice: Run it as it is, run what is given here instead, or never run it.
        by: Who says so, for the ledger.
        comment: Why; "" for nothing.
        points: For an edit: the values of each point, parameter -> text; those not named stay.
        tree: For an edit: the tree that `Proposal.take` made of edited files.
        revision: For an edit: a commit or branch with the change to try instead.
    """

    choice: Choice
    by: str = "the owner"
    comment: str = ""
    points: tuple[Mapping[str, str], ...] = field(default=())
    tree: str = ""
    revision: str = ""


class GuideGone(Exception):
    """Nobody can be asked any more, as the terminal has ended; the campaign stops, its ideas stay open."""


class Guide(Protocol):
    """Asks the owner.

    Several proposals may be asked about at once, each in a task of its own. Being cancelled ends the
    question, and nothing is left of it.
    """

    async def ask(self, proposal: Proposal) -> Answer:
        """Wait for the owner's answer, for as long as it takes.

        An answer that cannot be used is asked for again, with `Proposal.problem` saying why.

        Raises:
            GuideGone: There will be none.
        """

    def where(self, number: int) -> str:
        """Where an idea is asked about, as an address; "" where the owner sees it anyway."""
