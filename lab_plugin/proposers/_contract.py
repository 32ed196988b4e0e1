"""What a proposer is: ask for ideas, tell what came of them.

**State.** A proposer keeps none on disk. A new one is told the whole history first (`tell` in the order
of the ledger), so that a campaign that was killed goes on as if it had not been.

**Determinism.** Two proposers with the same settings that were told the same and are asked for the same
number answer the same.

**Threads.** `ask` and `tell` are called from one event loop, never at once for one proposer; `ask` may
await. Between an `ask` and its `tell`, further `ask` calls may come (`-j`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from lab_plugin.sandbox import FileRule, Sandbox
from lab_plugin.scorer import Sample


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a proposer may know when it is asked.

    Attributes:
        lab: The lab's name.
        number: The idea's number, unique in the lab.
        parent: Commit that the idea starts from (the champion).
        workspace: Private writable host folder with the parent's files (scorer left out), or None when
            the proposer said `edits = False`.
        destination: Empty host folder for logs of this proposal.
        instructions: Text of `[lab] instructions`, "" when there are none.
        history: Told so far, oldest first; short.
        batch: How many points are wanted, 1 or more.
        metric: Name of the metric.
        goal: `maximize` or `minimize`.
    """

    lab: str
    number: int
    parent: str
    workspace: Path | None
    destination: Path
    instructions: str = ""
    history: Sequence[Outcome] = ()
    batch: int = 1
    metric: str = ""
    goal: Literal["maximize", "minimize"] = "maximize"


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a proposer answers.

    Attributes:
        title: A few words; becomes the branch's slug and the run's name.
        hypothesis: Why this should help; a sentence or more.
        points: Parameter sets to try; empty when the proposer edited the workspace instead.
        usd: What the proposal cost, in US dollars.
    """

    title: str
    hypothesis: str
    points: tuple[Mapping[str, Any], ...] = ()
    usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one point, or of one edited idea, as far as `[feedback]` lets a proposer know.

    Texts are what a candidate or a scorer wrote: data, never instructions.

    Attributes:
        number: The idea's number.
        params: Its parameters; empty for an edit.
        value: The metric, None when there is none, or when it is not told.
        verdict: The idea's verdict, "" when it is not told.
        title: As suggested.
        reason: Why there is no value, or what it was compared with.
        feedback: What the scorer wrote for proposers.
        stderr: The end of the candidate's stderr.
        samples: Scores of public samples, the worst first.
        waits: It has values at tiers and no verdict yet: it waits to be promoted, or is on its way. Its
            verdict is told later.
        tiers: Tier before the last -> value there, the cheapest first. Values of different tiers must not be
            compared; a point without a `value` stopped at the last of these.
        pruned: Its run was ended early for its curve, so that it has no value.
        curve: What the candidate reported of itself, step by step, in rising steps; of an older idea that was
            pruned only the end, and nothing of other older ones. Empty too when the curve diverged.
    """

    number: int
    params: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    verdict: str = "reverted"
    title: str = ""
    reason: str = ""
    feedback: str = ""
    stderr: str = ""
    samples: tuple[Sample, ...] = ()
    waits: bool = False
    tiers: Mapping[str, float] = field(default_factory=dict)
    pruned: bool = False
    curve: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Something that was tried elsewhere. This lab's scorer never scored it.

    Texts are what other systems wrote: data, never instructions.

    Attributes:
        source: Where it came from.
        metric: What the source calls its values; "" when it does not say.
        goal: Which way they are better there.
        comparable: Its owner says that its value is on the scale of the lab's metric.
        name: What the source calls it.
        title: A few words.
        status: `keep`, `discard`, `crash`, `pruned`, or "" when it is not told.
        value: None when there is none, or when it is not told.
        params: Its parameters; with the types of the search space where they are a point of it.
    """

    source: str
    metric: str
    goal: Literal["maximize", "minimize"]
    comparable: bool
    name: str = ""
    title: str = ""
    status: str = ""
    value: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Proposer(Protocol):
    """Makes ideas.

    Attributes:
        name: The strategy's name in `lab.toml`.
        edits: True when it edits a workspace; False when it answers with parameters.
    """

    name: str
    edits: bool

    async def ask(self, request: Request) -> Suggestion:
        """Propose one idea.

        Raises:
            ProposerError: It cannot propose (the program failed, nothing is left to try); the campaign
                records a crashed idea and counts it.
        """

    def tell(self, outcome: Outcome) -> None:
        """Learn what came of a point.

        Called once when its idea has its verdict, and before, with `waits`, for each tier at which it has a
        value; also for ideas of other proposers.
        """


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a proposer's factory is given (entry-point group `lab_plugin.proposers`).

    Attributes:
        settings: The `[strategy]` table without `name` and `batch`, already checked to be plain TOML values.
        space: The search space; empty when the lab has none.
        goal: `maximize` or `minimize`.
        sandbox: For proposers that run programs; each run waits for the cores of its limits.
        writable: `candidate.paths`, relative to the workspace's root.
        directory: The lab's folder, relative to the workspace's root.
        files: What a program may see and edit, as `Job.files`.
        seed: Makes the proposer reproducible.
        tiers: Tiers before the last, the cheapest first -> which way their metric is better.
        curve_goals: Which way the values of curves are better, per tier, the last included; empty: as the
            metric.
        prior: What was tried elsewhere, oldest first; nothing of it is an outcome of this lab.
    """

    settings: Mapping[str, Any]
    space: Mapping[str, Any]
    goal: Literal["maximize", "minimize"]
    sandbox: Sandbox
    writable: tuple[str, ...] = ()
    directory: str = "."
    files: Mapping[str, FileRule] = field(default_factory=dict)
    seed: int = 0
    tiers: Mapping[str, Literal["maximize", "minimize"]] = field(default_factory=dict)
    curve_goals: tuple[Literal["maximize", "minimize"], ...] = ()
    prior: tuple[Prior, ...] = ()
