"""One trial, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab_plugin.pruning import Pruned
from lab_plugin.scorer._scorecard import Sample

SCORECARD = "scorecard.json"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One sandboxed execution and scoring.

    Attributes:
        name: Unique among running trials; names jobs.
        idea: The idea's number as text, `0007`.
        workspace: Host folder with the candidate commit's files.
        folder: Empty host folder for all that comes of the trial.
        params: The trial's parameters.
        seed: `LAB_SEED`.
        tier: `LAB_TIER`.
        gpus: Ids of the cards that the candidate got.
        tree: The candidate's tree in git.
        passing: Nothing but the score is kept of it: a further scoring of a tree, or a sealed one.
    """

    name: str
    idea: str
    workspace: Path
    folder: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    tier: str = "final"
    gpus: tuple[str, ...] = ()
    tree: str = ""
    passing: bool = False


@dataclass(frozen=True, kw_only=True)
class Score:
    """What came of a trial.

    Attributes:
        status: `scored`, `crashed` (a program failed), `rejected` (a rule was broken) or `pruned` (the run
            was ended for its curve).
        reason: Why there is no value; empty when scored.
        value: The metric; None unless scored.
        metrics: All metrics of the scorecard, and what the host measured; empty unless scored.
        samples: Per-sample scores; empty unless scored.
        feedback: The scorer's text for the proposer.
        seconds: Wall seconds of candidate and scorer.
        sandbox: Kind that ran them.
        guarantees: What it held, and what the scorer's contract held.
        pruned: Where and by what it was pruned; None unless pruned.
    """

    status: Literal["scored", "crashed", "rejected", "pruned"]
    reason: str = ""
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    samples: tuple[Sample, ...] = field(default=(), repr=False)
    feedback: str = field(default="", repr=False)
    seconds: float = 0.0
    sandbox: str = ""
    guarantees: tuple[str, ...] = ()
    pruned: Pruned | None = None
