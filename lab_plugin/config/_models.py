"""The tables of `lab.toml` as frozen values; what each key means stands here and nowhere else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from lab_plugin.config._paths import check_disjoint, check_path
from lab_plugin.config._space import Name, SearchSpace, Table, check_some
from lab_plugin.config._units import parse_duration, parse_size
from lab_plugin.errors import ConfigError
from lab_plugin.sandbox import GUARANTEES
from lab_plugin.toml import Place, Positions

_LAB_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SEED_LIMIT = 2**32 - 1
_YEAR = 366 * 86_400.0
_PEBIBYTE = 2**50


def _check_lab_name(name: str) -> str:
    if not _LAB_NAME.fullmatch(name):
        raise ValueError(
            "a lab's name has 1 to 40 characters: a to z, 0 to 9 and -, beginning with a letter or digit"
        )
    return name


def _check_pattern(pattern: str) -> str:
    return check_path(pattern, pattern=True)


def _check_disjoint(paths: tuple[str, ...]) -> tuple[str, ...]:
    check_disjoint(paths)
    return paths


def _check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise ValueError(f'"{twice[0]}" is given twice')
    return values


def _check_command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words[0].strip():
        raise ValueError("the first word of a command names a program and must not be empty")
    if any("\0" in word for word in words):
        raise ValueError("a command must not hold a NUL character")
    return words


def _check_hosts(rules: tuple[str, ...]) -> tuple[str, ...]:
    if rules:
        # Not needed by most commands, and slow to import.
        from lab_plugin.network import Policy

        try:
            Policy.parse(rules)
        except ConfigError as error:
            raise ValueError("; ".join(error.faults) + ". " + error.remedy) from None
    return rules


def _check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f'"{name}" is no name of an environment variable; name it, do not write its value')
    return name


def _check_guarantee(name: str) -> str:
    if name not in GUARANTEES:
        raise ValueError(f'"{name}" is no guarantee of a sandbox; there are {", ".join(GUARANTEES)}')
    return name


def _check_text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be text in one line, and not empty")
    return text


def _refuse_any(what: str) -> AfterValidator:
    def refuse(value: object) -> object:
        if value:
            raise ValueError(f"the sandboxes of this version have no {what}; leave the key out")
        return value

    return AfterValidator(refuse)


def _refuse_relative(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('relative amounts such as "1%" are not in this version; write an absolute number')
    return value


_RelativePath = Annotated[str, AfterValidator(check_path)]
_Paths = Annotated[
    tuple[_RelativePath, ...],
    Field(strict=False),
    AfterValidator(check_some),
    AfterValidator(_check_disjoint),
]
_Patterns = Annotated[
    tuple[Annotated[str, AfterValidator(_check_pattern)], ...],
    Field(strict=False),
    AfterValidator(check_some),
    AfterValidator(_check_unique),
]
_Command = Annotated[
    tuple[str, ...], Field(strict=False), AfterValidator(check_some), AfterValidator(_check_command)
]
_Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=_YEAR)]
_Bytes = Annotated[int, BeforeValidator(parse_size), Field(ge=2**20, le=_PEBIBYTE)]
_Cores = Annotated[float, Field(gt=0, le=4_096)]
_Seed = Annotated[int, Field(ge=0, le=_SEED_LIMIT)]
_Count = Annotated[int, Field(ge=1, le=10**9)]
_Text = Annotated[str, AfterValidator(_check_text)]
_Hosts = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_hosts)]


class Lab(Table):
    """`[lab]`.

    Attributes:
        name: Names branches, runs and the MLflow experiment.
        instructions: File in the lab's folder that proposers are told; None for none.
        secrets: Environment variables whose values are never shown or kept, besides those whose names tell.
    """

    name: Annotated[str, AfterValidator(_check_lab_name)]
    instructions: _RelativePath | None = None
    secrets: Annotated[
        tuple[Annotated[str, AfterValidator(_check_variable)], ...],
        Field(strict=False),
        AfterValidator(_check_unique),
    ] = ()


class Credential(Table):
    """A header that is added outside of the sandbox; inside, the program asks for `http://HOST/...`.

    Attributes:
        host: An allowed host.
        header: `x-api-key`, `authorization`.
        env: Environment variable of the lab that holds the secret.
        prefix: Put before the secret: `Bearer `.
        port: The host's port for TLS.
    """

    host: _Text
    header: _Text
    env: Annotated[str, AfterValidator(_check_variable)]
    prefix: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 443


_Credentials = Annotated[tuple[Credential, ...], Field(strict=False)]


class Candidate(Table):
    """`[candidate]`: what an idea may change, and how it runs.

    Attributes:
        paths: Files and folders, relative to the lab's folder; all that an idea may change.
        command: argv, without a shell.
        outputs: Files, relative to `$LAB_OUTPUTS`; all that leaves the sandbox.
        timeout: Wall seconds.
        memory: Bytes, the whole process tree together.
        cpus: Cores; fractions allowed.
        processes: Processes and threads alive at once.
        disk: Bytes that may be written, outputs included.
        data: File or folder in the lab's folder that candidate and scorer may read; None for none.
        gpus: 0 in this version.
        network: Rules of an allow-list, see `lab_plugin.network.Policy`; empty for no network.
        credentials: Secrets that are added outside of the sandbox to requests for an allowed host.
    """

    paths: _Paths
    command: _Command
    outputs: _Paths
    timeout: _Seconds = 600.0
    memory: _Bytes = 2 << 30
    cpus: _Cores = 1.0
    processes: _Count = 256
    disk: _Bytes = 1 << 30
    data: _RelativePath | None = None
    gpus: Annotated[int, Field(ge=0), _refuse_any("GPU")] = 0
    network: _Hosts = ()
    credentials: _Credentials = ()


class Scorer(Table):
    """`[scorer]`: what makes the score, out of the candidate's reach.

    Attributes:
        files: Patterns, relative to the lab's folder; locked, and hidden from candidates.
        command: argv, without a shell; runs in a copy of the lab's folder that holds just `files`.
        metric: The metric of the scorecard that decides.
        goal: Which way is better.
        timeout: Wall seconds.
        memory: Bytes, the whole process tree together.
        cpus: Cores; fractions allowed.
    """

    files: _Patterns
    command: _Command
    metric: Name
    goal: Literal["maximize", "minimize"]
    timeout: _Seconds = 600.0
    memory: _Bytes = 2 << 30
    cpus: _Cores = 1.0


class Strategy(Table):
    """`[strategy]`: who makes ideas.

    Attributes:
        name: A proposer's name.
        batch: Points per idea.
        seed: Makes the proposer reproducible.
        settings: All further keys, as written; the proposer checks them.
    """

    name: _Text
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1
    seed: _Seed = 0
    settings: dict[str, object] = Field(default_factory=dict)


class Proposer(Table):
    """`[proposer]`: the editing sandbox of a proposer that runs a program.

    Attributes:
        network: Rules of an allow-list, see `lab_plugin.network.Policy`; empty for no network.
        credentials: Secrets that are added outside of the sandbox to requests for an allowed host.
        files: Path, relative to the lab's folder -> `rw`, `ro` or `hidden`; the longest match holds, and
            `candidate.paths` are `rw` where nothing else is said.
    """

    network: _Hosts = ()
    credentials: _Credentials = ()
    files: dict[_RelativePath, Literal["rw", "ro", "hidden"]] = Field(default_factory=dict)


class Decision(Table):
    """`[decision]`: when an idea is kept.

    Attributes:
        policy: `exact`: the values are compared as they are.
        min_improvement: By how much the metric must get better, absolute; 0 for any improvement.
        seed: `LAB_SEED` of every trial, so that candidate and champion are compared on common ground.
    """

    policy: Literal["exact"] = "exact"
    min_improvement: Annotated[float, BeforeValidator(_refuse_relative), Field(ge=0)] = 0.0
    seed: _Seed = 0


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

    iterations: _Count | None = None
    hours: Annotated[float, Field(gt=0)] | None = None
    cost_usd: Annotated[float, Field(gt=0)] | None = None
    target: float | None = None
    plateau: _Count | None = None
    crashes: _Count = 10


class SandboxTable(Table):
    """`[sandbox]`: where candidate and scorer run.

    Attributes:
        kind: `auto`, or a sandbox's name.
        python: Interpreter that `python` means inside; None for the one that runs `lab`.
        require: Guarantees without which nothing is run; see `lab_plugin.sandbox.GUARANTEES`.
    """

    kind: _Text = "auto"
    python: _Text | None = None
    require: Annotated[
        tuple[Annotated[str, AfterValidator(_check_guarantee)], ...],
        Field(strict=False),
        AfterValidator(_check_unique),
    ] = ()


class Config(Table):
    """A whole `lab.toml`, free of faults.

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
    sandbox: SandboxTable = SandboxTable()
    source: Path
    _positions: Positions = PrivateAttr(default_factory=Positions)

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
        return {
            "candidate": self.candidate.model_dump(mode="json", exclude={"paths"}),
            "scorer": self.scorer.model_dump(mode="json"),
            "decision": self.decision.model_dump(mode="json"),
            "sandbox": self.sandbox.model_dump(mode="json", include={"require"}),
        }
