"""A proposer that says what a test wants it to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_plugin.errors import ProposerError
from lab_plugin.proposers import Outcome, Request, Suggestion


@dataclass(frozen=True, kw_only=True)
class Step:
    """One scripted proposal.

    Attributes:
        title: As in `Suggestion`.
        hypothesis: As in `Suggestion`.
        points: Parameters to answer with.
        files: Workspace path -> content to write there, None to delete the file.
        usd: What the proposal costs.
        error: When not empty, `ask` raises a `ProposerError` with this message, after `files` were written.
    """

    title: str = "scripted"
    hypothesis: str = "Because the script says so."
    points: tuple[Mapping[str, Any], ...] = ()
    files: Mapping[str, str | None] = field(default_factory=dict)
    usd: float = 0.0
    error: str = ""


class ScriptedProposer:
    """Answers idea number `first + i` with step `i`, so that a restarted campaign meets the same script.

    Args:
        steps: The script.
        first: Number of the first idea.

    Attributes:
        asked: Numbers asked for, in order.
        told: Outcomes told, in order.
    """

    name = "scripted"

    def __init__(self, steps: Sequence[Step], *, first: int = 1) -> None:
        self.asked: list[int] = []
        self.told: list[Outcome] = []
        self.edits = any(step.files for step in steps)
        self._steps = tuple(steps)
        self._first = first

    async def ask(self, request: Request) -> Suggestion:
        """Answer with the step of the request's number.

        Raises:
            ProposerError: The step says so, or the script has no step for this number.
        """
        self.asked.append(request.number)
        position = request.number - self._first
        if not 0 <= position < len(self._steps):
            raise ProposerError(f"the script has no step for idea {request.number}")
        step = self._steps[position]
        _write(step, request)
        if step.error:
            raise ProposerError(step.error)
        return Suggestion(title=step.title, hypothesis=step.hypothesis, points=step.points, usd=step.usd)

    def tell(self, outcome: Outcome) -> None:
        """Note the outcome."""
        self.told.append(outcome)


def _write(step: Step, request: Request) -> None:
    for path, content in step.files.items():
        if request.workspace is None:
            raise ProposerError(f"the script edits {path} and idea {request.number} came without a workspace")
        target = request.workspace / path
        if content is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
