"""The records of the ledger: frozen values, canonical JSON at the border.

A record is never changed. Fields may be added with a default; none is renamed or given another
meaning, so that an old ledger stays readable and a hash stays a hash.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Word = Literal["kept", "reverted", "inconclusive", "crashed", "rejected"]
Goal = Literal["maximize", "minimize"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at: str
    """UTC time, ISO 8601 with seconds, `2026-01-31T04:05:06Z`."""
    sequence: int = 0
    """Position in the ledger, from 1, given when it is appended; 0 in records of before there was one."""


class Point(BaseModel):
    """One point of a batch: parameters, and what came of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tree: str
    params: dict[str, Any] = Field(default_factory=dict)
    value: FiniteFloat | None = None
    status: Literal["scored", "crashed", "rejected"] = "scored"
    reason: str = ""
    seconds: float = 0.0
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)


class Holdout(BaseModel):
    """What a sealed scoring said of one commit. It is the owner's: no proposer or reviewer is ever told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    outcome: Literal["baseline", "passed", "worse", "no_value", "unlooked"]
    """`worse` than the champion by more than the margin; `unlooked`: all looks were spent."""
    value: FiniteFloat | None = None
    gap: FiniteFloat | None = None
    """The public metric minus the hold-out's."""
    champion_value: FiniteFloat | None = None
    """The champion's hold-out value that it was compared with."""
    counted: bool = False
    """One of the epoch's looks was spent on it."""
    reason: str = ""
    """Why there is no value."""


class LockRecord(_Record):
    """An epoch opens: a scorer is locked and the champion scored with it. The commit's tree is the scorer's
    snapshot; its second parent is the champion's commit.
    """

    kind: Literal["lock"] = "lock"
    lab: str
    directory: str = "."
    """The lab's folder, relative to the repository's root."""
    epoch: int
    reason: str
    digest: str
    """sha256 (hex) of all that makes a score: files, commands, metric, goal, rules, environment."""
    metric: str
    goal: Goal
    commit: str
    """The champion of the new epoch: the baseline, or the last epoch's champion scored again."""
    tree: str
    value: FiniteFloat
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    champion: int = 0
    """Number of the idea that the commit came from; 0 for the baseline."""
    tests: tuple[str, ...] = ()
    """Ids of the tests that a score is made of under the contract `tests`, and no other is."""
    holdout: Holdout | None = None
    """The sealed scoring of the same commit; None in a lab without a hold-out."""


class CampaignRecord(_Record):
    """A campaign opens, changes its budget, or closes."""

    kind: Literal["campaign"] = "campaign"
    campaign: int
    event: Literal["opened", "revised", "closed"]
    strategy: str
    fresh: bool = False
    """True: the proposer does not see ideas of earlier campaigns."""
    history_from: int = 0
    """Ideas with a number up to this one are hidden from the proposer."""
    budget: dict[str, float] = Field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    """Active wall seconds of the campaign so far."""


class VerdictRecord(_Record):
    """The end of one idea. The commit's second parent is the candidate commit."""

    kind: Literal["verdict"] = "verdict"
    number: int
    slug: str
    branch: str
    campaign: int
    epoch: int
    strategy: str
    title: str = ""
    hypothesis: str
    commit: str
    tree: str
    parents: tuple[str, ...]
    verdict: Word
    reason: str
    value: FiniteFloat | None = None
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    champion_value: FiniteFloat | None = None
    """The champion's value that it was compared with."""
    difference: FiniteFloat | None = None
    """value minus champion_value, in the metric's own direction."""
    params: dict[str, Any] = Field(default_factory=dict)
    points: tuple[Point, ...] = ()
    """All points of a batch; empty for an idea of one trial."""
    details: str = ""
    """The ledger commit's tree: per-sample scores and what was said; "" for the empty tree."""
    duplicate_of: int | None = None
    tier: str = "final"
    seed: int = 0
    digest: str = ""
    """Scorer digest of the lock."""
    sandbox: str = ""
    guarantees: tuple[str, ...] = ()
    seconds: float = 0.0
    """Wall seconds of candidate and scorer."""
    orchestration_seconds: float = 0.0
    """Wall seconds of the iteration that were neither candidate nor scorer."""
    campaign_seconds: float = 0.0
    """Active wall seconds of the campaign when the verdict was made."""
    usd: float = 0.0
    flow_run: str = ""
    holdout: Holdout | None = None
    """The sealed scoring of an idea that would be kept; None for all others."""


Record = Annotated[LockRecord | CampaignRecord | VerdictRecord, Field(discriminator="kind")]
