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


class Pruned(BaseModel):
    """A run that was ended early, for the curve that it reported of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step: int
    value: FiniteFloat | None = None
    """The curve's at that step; None when it was not finite."""
    pruner: str
    """By its name in `[pruning]`; `diverged` when the curve was not finite any more."""


class Point(BaseModel):
    """One point of a batch: parameters, and what came of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tree: str
    params: dict[str, Any] = Field(default_factory=dict)
    value: FiniteFloat | None = None
    status: Literal["scored", "crashed", "rejected", "pruned"] = "scored"
    reason: str = ""
    seconds: float = 0.0
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    pruned: Pruned | None = None
    """Set where the status is `pruned`."""


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


class Noise(BaseModel):
    """How much a metric moves with the seed, as `lab_plugin.decision.Noise` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sd: FiniteFloat
    df: FiniteFloat = 0.0
    """0 when it was stated."""
    origin: Literal["calibrated", "stated", "found"] = "calibrated"
    paired_sd: FiniteFloat | None = None
    paired_df: FiniteFloat = 0.0


class Comparison(BaseModel):
    """What a verdict was decided by, whole enough to decide it again."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    champion: int
    """Idea of the champion that it was compared with; 0 for the baseline."""
    seeds: tuple[int, ...]
    """`LAB_SEED` of the pairs, in the order in which they were drawn."""
    candidate: dict[str, tuple[FiniteFloat, ...]]
    """Metric -> value per seed."""
    against: dict[str, tuple[FiniteFloat, ...]]
    """The champion's, on the same seeds."""
    noise: dict[str, Noise] = Field(default_factory=dict)
    """What was known of each metric's noise then."""
    found: dict[str, Noise] = Field(default_factory=dict)
    """Metrics that were taken for deterministic until now."""
    place: int = 0
    """In its campaign, from 1; 0 for the rerun of an idea, which takes no share of the error."""
    tries: int = 0
    """Ideas that the campaign was laid out for."""
    level: FiniteFloat = 0.0
    """The idea's share of the campaign's error."""
    raised: FiniteFloat = 0.0
    """The same times the keeps before it and one."""
    max_repeats: int = 0
    points: int = 1
    """Points of the batch that it was picked from by its first score."""
    rivals: tuple[FiniteFloat, ...] = ()
    simpler: str = ""
    slack: FiniteFloat = 0.0
    difference: FiniteFloat | None = None
    """Mean of candidate minus champion, pair by pair."""
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    confidence: FiniteFloat | None = None
    samples: int = 0
    evidence: FiniteFloat | None = None
    """Natural logarithm."""
    needed: FiniteFloat | None = None
    error_spent: FiniteFloat = 0.0
    corrected: FiniteFloat | None = None
    """The difference less what picking and stopping add to it."""
    controlled: bool = False
    """Kept by a test that counts in the error's budget."""
    risked: FiniteFloat | None = None
    """Kept for its simplicity: how much of the metric that may have cost."""


class Drift(BaseModel):
    """The champion, scored again on a seed that it had been scored on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    champion: int
    seed: int
    before: dict[str, FiniteFloat]
    after: dict[str, FiniteFloat]
    moved: bool
    """Shown to have moved: the champion's earlier scores are no longer used."""
    by: FiniteFloat | None = None
    found: dict[str, Noise] = Field(default_factory=dict)
    """Metrics that were taken for deterministic until now."""


class TierScore(BaseModel):
    """What the commit of a lock scores at a tier before the last."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: FiniteFloat
    """The mean of the tier's metric over its seeds."""
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Of the first seed."""
    noise: dict[str, Noise] = Field(default_factory=dict)
    """Metric -> its noise; empty where the tier does not promote by the decision rule."""
    calibration: dict[str, tuple[FiniteFloat, ...]] = Field(default_factory=dict)


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
    seed: int = 0
    """`LAB_SEED` of the score."""
    calibration: dict[str, tuple[FiniteFloat, ...]] = Field(default_factory=dict)
    """Metric -> its values on seeds of their own."""
    noise: dict[str, Noise] = Field(default_factory=dict)
    """Metric -> its noise; empty in locks of before it was measured."""
    detectable: FiniteFloat | None = None
    """The smallest improvement that an idea is found with in 9 of 10 cases; None when none can be."""
    tier: str = "final"
    """The tier that decides, at which the value was made."""
    tiers: dict[str, TierScore] = Field(default_factory=dict)
    """Tier before the last -> what the same commit scores there."""
    tests_of: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Tier before the last -> ids of its tests, as `tests`."""


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
    """The metric; the mean over the seeds of the comparison."""
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    """All metrics of the first run, on the seed of the record."""
    tiers: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Tier before the last -> the value there. `value` is only ever that of the tier which decides."""
    champion_value: FiniteFloat | None = None
    """The champion's value that it was compared with; the mean over the same seeds."""
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
    comparison: Comparison | None = None
    """None where nothing was compared, and in records of before there was one."""
    drift: Drift | None = None
    """A look at the champion that was taken before this verdict."""
    continues: int = 0
    """The idea that this one is a rerun of; 0 for none."""
    pruned: Pruned | None = None
    """Set when its run was ended early: it is reverted, and has no value."""

    @property
    def cancelled(self) -> bool:
        """Whether its owner ended it: no rule leaves an idea undecided without a value."""
        return self.verdict == "inconclusive" and self.value is None


class TierRecord(_Record):
    """The result of one idea at a tier before the last. The commit's second parent is the idea's commit.

    Who goes on from a tier follows from these records alone, in their order, and from the tier's rule.
    """

    kind: Literal["tier"] = "tier"
    number: int
    slug: str
    campaign: int
    epoch: int
    tier: str
    commit: str
    """The idea's, as it was proposed."""
    tree: str
    """Of the point that goes on, the best one of a batch."""
    params: dict[str, Any] = Field(default_factory=dict)
    points: tuple[Point, ...] = ()
    """All points of a batch; empty for an idea of one trial."""
    seeds: tuple[int, ...]
    """`LAB_SEED` of its runs."""
    values: tuple[FiniteFloat, ...]
    """The tier's metric, per seed."""
    value: FiniteFloat
    """Their mean."""
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    """All metrics of the first run."""
    passed: bool | None = None
    """What the decision rule says, at a tier that promotes by it."""
    comparison: Comparison | None = None
    """What it says that by."""
    details: str = ""
    """The ledger commit's tree: per-sample scores and what was said; "" for the empty tree."""
    duplicate_of: int | None = None
    """The idea whose result this is, which had the same tree."""
    digest: str
    """Of the lock."""
    sandbox: str = ""
    guarantees: tuple[str, ...] = ()
    seconds: float = 0.0
    """Wall seconds of candidate and scorer."""


class ConfirmationRecord(_Record):
    """The champion beside what the lab started from, on seeds that no comparison used. The commit's second
    parent is the champion's commit.
    """

    kind: Literal["confirmation"] = "confirmation"
    campaign: int = 0
    """The campaign that ended with it; 0 when somebody asked for it."""
    epoch: int
    champion: int
    """Number of its idea."""
    commit: str
    """The champion's."""
    baseline: str
    """The commit that the lab started from."""
    seeds: tuple[int, ...]
    candidate: tuple[FiniteFloat, ...]
    """The champion's values of the metric, per seed."""
    against: tuple[FiniteFloat, ...]
    """The baseline's."""
    difference: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    confidence: FiniteFloat | None = None
    """Of the interval; None without noise."""
    holdout: FiniteFloat | None = None
    """The champion's hold-out value, as the ledger has it."""
    holdout_baseline: FiniteFloat | None = None


class ImportRecord(_Record):
    """Things that were tried elsewhere. No scorer of this lab scored them: no rule, verdict or champion ever
    rests on them. The commit's tree holds the rows, one line of JSON each; it has no second parent.
    """

    kind: Literal["imported"] = "imported"
    epoch: int
    """The epoch in which it was imported. Later ones score differently, and proposers are not told of it."""
    source: str
    """Where it came from, as a person knows it: a file's name, an address without its credentials."""
    form: str
    """`table`, `jsonl`, `optuna` or `mlflow`."""
    metric: str
    """What the source calls its values; "" when it does not say."""
    goal: Goal
    comparable: bool
    """Its owner said that its values are on the scale of the lab's metric."""
    rows: int
    valued: int
    """Rows with a value."""
    skipped: int = 0
    """Rows that could not be read and were left out."""
    digest: str
    """sha256 (hex) of the rows' file."""
    tree: str


Record = Annotated[
    LockRecord | CampaignRecord | TierRecord | VerdictRecord | ConfirmationRecord | ImportRecord,
    Field(discriminator="kind"),
]
