"""The whole of `lab.toml` as frozen values; each table says what its keys mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr

from lab_plugin.config._blocks import Blocks, Placed
from lab_plugin.config._candidate import Candidate
from lab_plugin.config._deciding import Decision
from lab_plugin.config._expected_lock import ExpectedLock
from lab_plugin.config._feedback import Feedback
from lab_plugin.config._fields import (
    Count,
    RelativePath,
    Text,
    check_address,
    check_guarantee,
    check_lab_name,
    check_unique,
    check_variable,
)
from lab_plugin.config._pools import Pools
from lab_plugin.config._proposing import Proposer, Strategy
from lab_plugin.config._pruning import Pruning
from lab_plugin.config._resources import Resources
from lab_plugin.config._scoring import Scorer
from lab_plugin.config._services import Services
from lab_plugin.config._space import SearchSpace, Table
from lab_plugin.config._tiers import LAST
from lab_plugin.config._tracking import Tracking
from lab_plugin.promotion import Rule
from lab_plugin.toml import Place, Positions


class Lab(Table):
    """`[lab]`.

    Attributes:
        name: Names branches, runs and the MLflow experiment.
        instructions: File in the lab's folder that proposers are told; None for none.
        secrets: Environment variables whose values are never shown or kept, besides those whose names tell.
        remote: Name of one of the repository's git remotes, or an address, through which machines share the
            lab; None for none. A relative path starts from the lab's folder.
    """

    name: Annotated[str, AfterValidator(check_lab_name)]
    instructions: RelativePath | None = None
    secrets: Annotated[
        tuple[Annotated[str, AfterValidator(check_variable)], ...],
        Field(strict=False),
        AfterValidator(check_unique),
    ] = ()
    remote: Annotated[Text, AfterValidator(check_address)] | None = None


class Budget(Table):
    """`[budget]`: when a campaign ends; None for no limit.

    Attributes:
        iterations: Ideas.
        hours: Active wall time, in hours.
        cost_usd: US dollars.
        target: Value of the metric that is good enough.
        plateau: Ideas in a row without a keep.
        crashes: Crashed ideas in a row.
    """

    iterations: Count | None = None
    hours: Annotated[float, Field(gt=0)] | None = None
    cost_usd: Annotated[float, Field(gt=0)] | None = None
    target: float | None = None
    plateau: Count | None = None
    crashes: Count = 10


class SandboxTable(Table):
    """`[sandbox]`: where candidate and scorer run.

    Attributes:
        kind: `auto`, or a sandbox's name.
        python: Interpreter that `python` means inside; None for the one that runs `lab`, or for `docker` the
            image's. With `docker`, a path inside the image.
        image: Name, `name@sha256:...` or id of the image of `docker`; None for that of `dockerfile`, or of
            the Dockerfile that the lab ships.
        dockerfile: Dockerfile of the lab's own image, in a folder of its own: all beside it is the context.
        require: Guarantees without which nothing is run; see `lab_plugin.sandbox.GUARANTEES`.
    """

    kind: Text = "auto"
    python: Text | None = None
    image: Text | None = None
    dockerfile: RelativePath | None = None
    require: Annotated[
        tuple[Annotated[str, AfterValidator(check_guarantee)], ...],
        Field(strict=False),
        AfterValidator(check_unique),
    ] = ()


@dataclass(frozen=True)
class Tier:
    """A fidelity level.

    Attributes:
        name: Its name; `LAB_TIER`.
        config: The whole `lab.toml` as it is at this tier.
        seeds: `LAB_SEED` of the runs of every idea here.
        promote: Who goes on to the next; None at the last tier, which decides.
        pool: The work pool that runs it; "" for this process.
        queue: The pool's work queue that its trials wait in; "" for the pool's default one.
    """

    name: str
    config: Config
    seeds: tuple[int, ...]
    promote: Rule | None = None
    pool: str = ""
    queue: str = ""


class Config(Table):
    """A whole `lab.toml`, free of faults, as it is at one tier; that of a lab is the one of its last tier.

    Attributes:
        source: The file, absolute where it was loaded from disk.
    """

    lab: Lab
    candidate: Candidate
    scorer: Scorer
    strategy: Strategy
    proposer: Proposer = Proposer()
    search_space: SearchSpace | None = None
    decision: Decision = Decision()
    budget: Budget = Budget()
    pruning: Pruning | None = None
    feedback: Feedback = Feedback()
    sandbox: SandboxTable = SandboxTable()
    resources: Resources = Resources()
    services: Services = Field(default_factory=dict)
    pools: Pools = Field(default_factory=dict)
    tracking: Tracking = Tracking()
    lock: ExpectedLock = ExpectedLock()
    source: Path
    _positions: Positions = PrivateAttr(default_factory=Positions)
    _placed: Placed = PrivateAttr(default_factory=Placed)
    _tiers: tuple[Tier, ...] = PrivateAttr(default=())

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """All tiers, the cheapest first: `final` alone in a lab that declares none, and itself in one."""
        return self._tiers or (Tier(LAST, self, (self.decision.seed,)),)

    @property
    def screening(self) -> tuple[Tier, ...]:
        """The tiers before the last, which decides."""
        return self.tiers[:-1]

    @property
    def tier(self) -> str:
        """Name of the tier: in a lab with several, of the one that decides."""
        return self.tiers[-1].name

    @property
    def scorer_patterns(self) -> tuple[str, ...]:
        """Patterns of the scorer's files, of all tiers."""
        return tuple(dict.fromkeys(pattern for tier in self.tiers for pattern in tier.config.scorer.files))

    @property
    def data(self) -> tuple[str, ...]:
        """Public data files and folders, of all tiers."""
        found = (tier.config.candidate.data for tier in self.tiers)
        return tuple(dict.fromkeys(path for path in found if path is not None))

    @property
    def blocks(self) -> Blocks:
        """The Prefect blocks whose settings are in this, by `TYPE/NAME`."""
        return self._placed.used

    def block_names(self, table: str) -> tuple[str, ...]:
        """The blocks that a table names, also that of a tier.

        Args:
            table: `sandbox`, `tracking` or `lock`.
        """
        return self._placed.names.get(table, ())

    def unresolved(self, table: str = "") -> tuple[str, ...]:
        """The blocks that are named and whose settings are not known, so that defaults stand for them.

        Args:
            table: Only those of this one; "" for all.
        """
        tables = (table,) if table else tuple(self._placed.names)
        return tuple(name for each in tables for name in self._placed.unresolved(each))

    @property
    def folder(self) -> Path:
        """The lab's folder; every path of `lab.toml` is relative to it."""
        return self.source.parent

    def fault(self, place: Place, message: str) -> str:
        """A line about a key, as `ConfigError.faults` has them: "lab.toml:12: ...".

        Args:
            place: Names of tables, keys and indexes: `("candidate", "paths", 0)`.
            message: What is wrong there.
        """
        return f"{self.source.name}:{self._positions.line(place)}: {message}"

    def scoring_rules(self) -> dict[str, object]:
        """All of `lab.toml` that makes a score or a verdict, as plain JSON values.

        What is left out (names, editable paths, strategy, budget) may change within an epoch.
        """
        # Left out where it says nothing, so that locks made before it hold.
        unset = set() if self.candidate.schemas else {"schemas"}
        # What is loaded ahead is in no figure of a candidate's use.
        unset |= set() if self.candidate.warm else {"warm"}
        sealed = set() if self.scorer.holdout else {"holdout"}
        # A lab of files has none of the keys of the other contracts.
        if self.scorer.contract == "outputs":
            unset |= {"serve"}
            sealed |= {"contract", "tests", "probe", "answer_timeout", "answer_bytes", "questions"}
        space = self.search_space
        services = {
            name: service.model_dump(mode="json", by_alias=True) for name, service in self.services.items()
        }
        return {
            "candidate": self.candidate.model_dump(mode="json", exclude={"paths"} | unset),
            "scorer": self.scorer.model_dump(mode="json", exclude={"samples"} | sealed),
            "decision": self.decision.model_dump(mode="json", exclude={"drift_every", "confirm"}),
            "sandbox": self.sandbox.model_dump(mode="json", include={"require"}),
            **({"services": services} if services else {}),
            # Where a candidate's parameters are read from; which of them are searched may change.
            **({"parameters": space.model_dump(mode="json", include={"file", "key"})} if space else {}),
            **({"tiers": self._tier_rules()} if self._tiers else {}),
        }

    def _tier_rules(self) -> dict[str, object]:
        rules: dict[str, object] = {"order": [tier.name for tier in self.tiers]}
        for tier in self.screening:
            promote = {"rule": type(tier.promote).__name__, **asdict(tier.promote)} if tier.promote else {}
            own = tier.config.scoring_rules()
            del own["tiers"]
            own.pop("parameters", None)
            rules[tier.name] = {
                **own,
                "seeds": list(tier.seeds),
                "promote": promote,
            }
        return rules
