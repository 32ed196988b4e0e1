"""`[scorer]`: what makes a score."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lab_plugin.config._fields import (
    Bytes,
    Command,
    Cores,
    Count,
    Paths,
    Patterns,
    RelativePath,
    Seconds,
)
from lab_plugin.config._holdout import Holdout
from lab_plugin.config._space import Name, Table
from lab_plugin.config._units import parse_size

USAGE_PREFIX = "usage."
"""Begins the metrics that the host measures; no scorecard may hold one."""
USAGE_METRICS = ("usage.cpu_seconds", "usage.peak_bytes", "usage.wall_seconds")
TEST_METRICS = ("failed", "pass_rate", "passed", "total")
"""All that a test-suite is scored by."""

_AnswerBytes = Annotated[int, BeforeValidator(parse_size), Field(ge=64, le=16 << 20)]


class Scorer(Table):
    """`[scorer]`: what makes the score, out of the candidate's reach.

    Attributes:
        files: Patterns, relative to the lab's folder; locked, and hidden from candidates.
        contract: How candidate and scorer meet; see `lab_plugin.scorer.contracts`.
        command: argv, without a shell; runs in a copy of the lab's folder that holds just `files`. Empty only
            where pytest runs `tests`.
        tests: Files and folders of `files` whose tests pytest runs, for the contract `tests`.
        probe: One of `files`, which questions the candidate, for the contract `in_process`.
        answer_timeout: Wall seconds for one answer of a served candidate.
        answer_bytes: Bytes of one answer of a served candidate, or of all of an `in_process` one.
        questions: How many a served candidate may be asked.
        metric: The metric that decides: one of the scorecard, or of `USAGE_METRICS`, measured by the host.
        goal: Which way is better.
        samples: Which way a sample's score is better; None for the way of the metric.
        timeout: Wall seconds.
        memory: Bytes, the whole process tree together.
        cpus: Cores; fractions allowed.
        holdout: A sealed scoring of what is about to be kept; None for none.
    """

    files: Patterns
    contract: Literal["outputs", "served", "tests", "in_process"] = "outputs"
    command: Command = ()
    tests: Paths = ()
    probe: RelativePath | None = None
    answer_timeout: Seconds = 10.0
    answer_bytes: _AnswerBytes = 1 << 20
    questions: Count = 1_000_000
    metric: Name
    goal: Literal["maximize", "minimize"]
    samples: Literal["higher_is_better", "lower_is_better"] | None = None
    timeout: Seconds = 600.0
    memory: Bytes = 2 << 30
    cpus: Cores = 1.0
    holdout: Holdout | None = None
