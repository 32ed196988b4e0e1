"""What comes of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_plugin.decision._noise import Noise
from lab_plugin.decision._statement import State, Statement


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do with an idea.

    Attributes:
        state: `keep`, `revert`, `inconclusive` (all repeats are spent), or `continue` with another
            repeat.
        reason: Why, in words.
        statement: The comparison in figures.
        controlled: The keep counts among those of the error budget; False for all other states, and for
            keeps of policies without a test.
        simpler: It is kept for its simplicity.
        found: Metric -> noise, where a scorer that was taken for deterministic is not.
    """

    state: State
    reason: str
    statement: Statement
    controlled: bool = False
    simpler: bool = False
    found: Mapping[str, Noise] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        return f"{self.reason}: {self.statement}"
