"""A proposal as its owner looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lab_plugin.config import Parameter
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.repository import take_in


@dataclass(frozen=True)
class Proposal:
    """An idea of which nothing ran yet.

    Attributes:
        lab: The lab.
        idea: The idea.
        patch: The unified diff of its first point to its parent.
        champion: The champion's value now.
        problem: Why the last answer could not be used; "" the first time.
    """

    lab: Lab
    idea: Idea
    patch: str
    champion: float
    problem: str = ""

    @classmethod
    def of(cls, lab: Lab, idea: Idea) -> Proposal:
        """An idea as it is now.

        Args:
            lab: The lab; locked.
            idea: The idea.
        """
        champion = lab.ledger.state().champion
        assert champion is not None
        return cls(lab, idea, lab.repository.diff(idea.parent, idea.commit), champion.value)

    def again(self, problem: str) -> Proposal:
        """The same, after an answer that could not be used."""
        return replace(self, problem=problem)

    @property
    def space(self) -> dict[str, Parameter]:
        """The parameters that an edit may set; empty where the idea changes files, not parameters."""
        space = self.lab.config.search_space
        return dict(space.parameters) if space is not None and self.idea.points[0].params else {}

    def files(self) -> tuple[str, ...]:
        """The files that it changes and that are there afterwards."""
        repository = self.lab.repository
        before = repository.tree_of(self.idea.parent)
        changes = repository.changes(before, self.idea.points[0].tree)
        return tuple(change.path for change in changes if change.after is not None)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """Its files in a scratch copy, without the scorer's, to be edited and given to `take`."""
        with self.lab.pool.private(self.idea.points[0].tree) as workspace:
            yield workspace.path

    def take(self, copy: Path) -> str:
        """The tree of an edited copy, taken in as any proposal is.

        Args:
            copy: From `copy`.

        Raises:
            IntakeError: It breaks a rule.
        """
        lab = self.lab
        base = lab.repository.tree_of(self.idea.parent)
        return take_in(lab.repository, copy, base, lab.candidate_paths(), lab.hides).tree
