"""What an attestation says: an in-toto statement with a predicate of its own."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from lab_plugin.ledger import Comparison, Goal
from lab_plugin.scorer import Terms

STATEMENT: Final = "https://in-toto.io/Statement/v1"
"""What in-toto calls the form; a name, which is never looked up."""
PREDICATE: Final = "urn:prefect-lab:score:v1"

_Git = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class CommitDigest(_Part):
    """Digest of a commit, by in-toto's name."""

    gitCommit: _Git


class TreeDigest(_Part):
    """Digest of a tree, by in-toto's name."""

    gitTree: _Git


class Subject(_Part):
    """What the statement is about: the candidate's commit, and its tree."""

    name: str
    digest: CommitDigest | TreeDigest


class LabPart(_Part):
    """The lab."""

    name: str
    directory: str


class IdeaPart(_Part):
    """The idea, as it was proposed."""

    number: Annotated[int, Field(ge=1)]
    branch: str
    strategy: str
    title: str
    hypothesis: str
    parents: tuple[_Git, ...]
    params: dict[str, Any]


class EpochPart(_Part):
    """The lock that it was scored under, and where the ledger has it."""

    number: Annotated[int, Field(ge=1)]
    digest: _Sha256
    reason: str
    at: str
    snapshot: TreeDigest
    ledger_commit: _Git
    record_sha256: _Sha256


class ScorePart(_Part):
    """What came of the trial."""

    metric: str
    goal: Goal
    value: FiniteFloat
    metrics: dict[str, FiniteFloat]
    scorecard_sha256: _Sha256
    """Of the canonical JSON of metrics, samples and feedback, as the ledger keeps them."""
    tier: str
    seed: int
    sandbox: str
    guarantees: tuple[str, ...]
    duplicate_of: int | None


class TierPart(_Part):
    """What the idea scored at a tier before the one that decides; never compared with its score."""

    tier: str
    metric: str
    goal: Goal
    value: FiniteFloat
    seeds: tuple[int, ...]
    values: tuple[FiniteFloat, ...]
    sandbox: str
    duplicate_of: int | None
    record: Annotated[int, Field(ge=1)]
    """Position of the result in the ledger."""
    ledger_commit: _Git


class VerdictPart(_Part):
    """What was decided. Of a hold-out only the outcome is told: its value is the owner's."""

    word: Literal["kept"]
    reason: str
    champion_value: FiniteFloat | None
    difference: FiniteFloat | None
    holdout: Literal["passed", "worse", "no_value", "unlooked"] | None
    comparison: Comparison | None = None
    """The scores that it was decided by, seed by seed; None in statements of before there was one."""


class LedgerPart(_Part):
    """Where the ledger has the verdict."""

    ref: str
    commit: _Git
    record: Annotated[int, Field(ge=1)]
    record_sha256: _Sha256
    at: str


class Predicate(_Part):
    """Everything that the score is bound to."""

    lab: LabPart
    idea: IdeaPart
    epoch: EpochPart
    terms: Terms
    """Scorer files, data, commands, limits, decision and environment; the epoch's digest is taken over it."""
    environment_sha256: _Sha256
    score: ScorePart
    verdict: VerdictPart
    ledger: LedgerPart
    tiers: tuple[TierPart, ...] = ()
    """The cheapest first; empty in a lab with one tier, and in statements of before there were several."""


class Statement(_Part):
    """The whole statement."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(STATEMENT, alias="_type")
    subject: tuple[Subject, Subject]
    predicateType: Literal["urn:prefect-lab:score:v1"] = PREDICATE
    predicate: Predicate

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    def to_bytes(self) -> bytes:
        """The one text of this statement: sorted keys, indented, ASCII, a line break at its end."""
        return (json.dumps(self.to_json(), indent=2, sort_keys=True, allow_nan=False) + "\n").encode("ascii")
