"""An idea between its proposal and its verdict, and its form as a git commit.

The commit's message carries all that is known of the proposal, so that an idea that a dead campaign left
open is taken up again from git alone.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab_plugin.errors import LedgerError

_MARK = "Lab-Data: "


class PlannedPoint(BaseModel):
    """One point to try: parameters, and the tree that has them written into its parameter file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tree: str
    params: dict[str, Any] = Field(default_factory=dict)


class Fault(BaseModel):
    """Why an idea has no trial: its proposal crashed or broke a rule, or its owner cancelled it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["crashed", "rejected", "inconclusive"]
    reason: str


class Idea(BaseModel):
    """One hypothesis: a change from a parent commit.

    Attributes:
        number: Unique in the lab, 1 or more.
        slug: Of the branch's name.
        title: A few words.
        hypothesis: Why it should help.
        strategy: Proposer that made it.
        campaign: Number of the campaign.
        epoch: Lock epoch in which it was proposed.
        parent: Commit that it changes.
        points: What to try; one, or the points of a batch.
        usd: What the proposal cost.
        fault: Set when there is nothing to run.
        continues: The idea whose comparison goes on with this one; 0 for none.
        max_repeats: Of that, in all; 0 for the lab's.
        priority: The highest goes first.
        after: Ideas that must have their verdict before this one starts.
        only_if_kept: Ideas that must be kept before this one starts; it is rejected when one is not.
        answered: What its owner said to it in a guided campaign: `approve`, `edit` or `skip`; "" for nothing.
        commit: Of the first point; empty until it is committed.
        opened: The commit that the open ref is at, where that is another one; else empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    slug: str
    title: str
    hypothesis: str
    strategy: str
    campaign: int
    epoch: int
    parent: str
    points: tuple[PlannedPoint, ...] = Field(min_length=1)
    usd: float = 0.0
    fault: Fault | None = None
    continues: int = 0
    max_repeats: int = 0
    priority: int = 0
    after: tuple[int, ...] = ()
    only_if_kept: tuple[int, ...] = ()
    answered: Literal["", "approve", "edit", "skip"] = ""
    commit: str = Field(default="", exclude=True)
    opened: str = Field(default="", exclude=True)

    @property
    def name(self) -> str:
        """`0007-wider-mlp`: the last part of its branch."""
        return f"{self.number:04d}-{self.slug}"

    @property
    def conditions(self) -> dict[int, Literal["decided", "kept"]]:
        """Idea -> what must have come of it before this one starts."""
        return {**dict.fromkeys(self.after, "decided"), **dict.fromkeys(self.only_if_kept, "kept")}

    def message(self, lab: str) -> str:
        """The commit message: title, hypothesis, and the proposal as one line of JSON."""
        body = f"{self.hypothesis}\n\n" if self.hypothesis and self.hypothesis != self.title else ""
        return f"{self.title}\n\n{body}Lab: {lab}\nLab-Idea: {self.number}\n{_MARK}{self.model_dump_json()}\n"

    @classmethod
    def from_commit(cls, commit: str, message: str) -> Idea:
        """Read an idea back from its commit.

        Raises:
            LedgerError: The commit is no idea of a lab.
        """
        return cls.proposed(commit, message).model_copy(update={"commit": commit})

    @classmethod
    def proposed(cls, commit: str, message: str) -> Idea:
        """The same as its commit's message has it, which cannot name its own commit.

        Raises:
            LedgerError: The commit is no idea of a lab.
        """
        # Only "\n" ends a line of the message: JSON leaves other line separators as they are.
        line = next((line for line in reversed(message.split("\n")) if line.startswith(_MARK)), None)
        if line is None:
            raise LedgerError(f"The commit {commit[:12]} is no idea of a lab.")
        try:
            return cls.model_validate_json(line.removeprefix(_MARK))
        except ValidationError as error:
            raise LedgerError(f"The open idea {commit[:12]} cannot be read: {error}.") from error
